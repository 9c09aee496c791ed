"""The instruments the exchange can list: USDT-margined perpetual swaps.

Sizes are contracts; coins = contracts × `ct_val`. `start_price` and `depth_usd` shape the synthetic market and
book. The first tier's maintenance rates follow OKX (BTC 0.4 %); the tiers above it are this exchange's own.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property


@dataclass(frozen=True)
class Tier:
    """One row of position tiers: sizes in contracts, margin rates as fractions of notional."""

    number: int
    min_sz: Decimal
    max_sz: Decimal
    mmr: Decimal
    imr: Decimal
    max_lever: Decimal


@dataclass(frozen=True)
class Instrument:
    """A swap's contract terms. `tick`, `lot` and `min_sz` bind every order."""

    inst_id: str
    ct_val: Decimal
    tick: Decimal
    code: int
    max_mkt_sz: Decimal
    max_lever: Decimal
    mmr: Decimal
    start_price: Decimal
    depth_usd: Decimal
    lot: Decimal = Decimal("0.01")
    min_sz: Decimal = Decimal("0.01")
    max_lmt_sz: Decimal = Decimal(100000000)
    list_time_ms: int = 1573557408000
    tier_factor: int = 2

    @cached_property
    def base(self) -> str:
        return self.inst_id.split("-")[0]

    @cached_property
    def family(self) -> str:
        """Underlying and index id, e.g. BTC-USDT."""
        return self.inst_id.removesuffix("-SWAP")

    @cached_property
    def tick_decimals(self) -> int:
        exponent = self.tick.normalize().as_tuple().exponent
        return max(0, -int(exponent))

    @cached_property
    def tiers(self) -> tuple[Tier, ...]:
        """Five tiers, five times as large from one to the next; rates grow by `tier_factor` (1: one flat tier)."""
        if self.tier_factor == 1:
            return (Tier(1, Decimal(0), self.max_lmt_sz, self.mmr, 1 / self.max_lever, self.max_lever),)
        unit = Decimal(10) * self.max_mkt_sz / 12
        rows, low = [], Decimal(0)
        for number in range(1, 6):
            high = unit * 5 ** (number - 1)
            factor = self.tier_factor ** (number - 1)
            lever = self.max_lever / factor
            rows.append(Tier(number, low, high.quantize(self.lot), self.mmr * factor, 1 / lever, lever))
            low = high.quantize(self.lot)
        return tuple(rows)

    def tier_of(self, contracts: Decimal) -> Tier:
        """The tier a position of that many contracts is in; the last one for whatever is larger."""
        for tier in self.tiers:
            if contracts <= tier.max_sz:
                return tier
        return self.tiers[-1]

    def mmr_for(self, contracts: Decimal) -> Decimal:
        """Maintenance margin rate of a position of that many contracts."""
        return self.tier_of(contracts).mmr

    def coins(self, contracts: Decimal) -> Decimal:
        return contracts * self.ct_val

    def with_tick(self, tick: Decimal) -> "Instrument":
        return replace(self, tick=tick)


def _swap(
    base: str, ct_val: str, tick: str, code: int, mkt: int, lever: int, mmr: str, px: str, depth: int
) -> Instrument:
    return Instrument(
        f"{base}-USDT-SWAP",
        Decimal(ct_val),
        Decimal(tick),
        code,
        Decimal(mkt),
        Decimal(lever),
        Decimal(mmr),
        Decimal(px),
        Decimal(depth),
    )


CATALOGUE: dict[str, Instrument] = {
    item.inst_id: item
    for item in (
        _swap("BTC", "0.01", "0.1", 10459, 12000, 100, "0.004", "60000", 60000),
        _swap("ETH", "0.1", "0.01", 10461, 20000, 100, "0.004", "3000", 40000),
        _swap("SOL", "1", "0.01", 10527, 35000, 50, "0.0065", "150", 20000),
        _swap("XRP", "100", "0.0001", 10537, 35000, 50, "0.0065", "0.6", 15000),
        _swap("DOGE", "1000", "0.00001", 10475, 35000, 50, "0.0065", "0.15", 15000),
    )
}
