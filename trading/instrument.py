"""An OKX perpetual swap and its arithmetic. Sizes are contracts unless a name says coins."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """A USDT-margined linear swap (ctType linear, settled in USDT).

    `ct_val` is coins per contract, multiplier included; `lot_sz`, `min_sz`, `max_*` are contracts; `tick_sz` is USDT.
    """

    inst_id: str
    ct_val: Decimal
    lot_sz: Decimal
    min_sz: Decimal
    tick_sz: Decimal
    max_lmt_sz: Decimal
    max_mkt_sz: Decimal
    max_leverage: Decimal
    state: str = "live"
    inst_id_code: int | None = None

    @property
    def coin(self) -> str:
        """The base currency, e.g. BTC."""
        return self.inst_id.split("-")[0]

    def coins(self, contracts: Decimal) -> Decimal:
        """Coin size = contracts × ctVal."""
        return contracts * self.ct_val

    def notional(self, contracts: Decimal, price: Decimal) -> Decimal:
        """USDT value of `contracts` at `price`; sign follows `contracts`."""
        return contracts * self.ct_val * price

    def contracts_for_notional(self, notional: Decimal, price: Decimal) -> Decimal:
        """Most contracts worth at most `notional` USDT, rounded down to the lot; zero if under the minimum."""
        if price <= 0 or notional <= 0:
            return Decimal(0)
        contracts = self.round_down(notional / (price * self.ct_val))
        return contracts if contracts >= self.min_sz else Decimal(0)

    def round_down(self, contracts: Decimal) -> Decimal:
        """`contracts` rounded towards zero to a whole number of lots."""
        return (contracts / self.lot_sz).to_integral_value(ROUND_DOWN) * self.lot_sz

    def round_price(self, price: Decimal, toward: str = "nearest") -> Decimal:
        """`price` on the tick grid; `toward` is nearest, up or down."""
        mode = {"nearest": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}[toward]
        return (price / self.tick_sz).to_integral_value(mode) * self.tick_sz
