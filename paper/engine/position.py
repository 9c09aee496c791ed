"""Positions and their formulas (OKX's, USDT-margined linear contracts).

`contracts` is signed in net mode. Source of the margin ratio and liquidation price: OKX's position help page,
whose worked example (15 ETH contracts, 10×) is a test.
"""

from dataclasses import dataclass
from decimal import Decimal

from paper.instruments import Instrument
from paper.numbers import ZERO


@dataclass(slots=True)
class Position:
    """One position: what is held and what it has cost and earned so far. Money in USDT."""

    inst_id: str
    mgn_mode: str
    pos_side: str
    pos_id: str
    lever: Decimal
    contracts: Decimal = ZERO
    avg_px: Decimal = ZERO
    margin: Decimal = ZERO
    pnl: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    liq_penalty: Decimal = ZERO
    created: int = 0
    updated: int = 0
    trade_id: str = ""
    open_max: Decimal = ZERO
    closed: Decimal = ZERO
    closed_value: Decimal = ZERO
    opened: Decimal = ZERO
    opened_value: Decimal = ZERO
    close_type: str = ""
    direction: int = 0

    @property
    def sign(self) -> int:
        return (self.contracts > 0) - (self.contracts < 0)

    @property
    def size(self) -> Decimal:
        return abs(self.contracts)

    @property
    def realized(self) -> Decimal:
        return self.pnl + self.fee + self.funding + self.liq_penalty

    def upl(self, instrument: Instrument, price: Decimal) -> Decimal:
        """Unrealised profit at `price`."""
        return instrument.coins(self.contracts) * (price - self.avg_px)

    def notional(self, instrument: Instrument, price: Decimal) -> Decimal:
        return instrument.coins(self.size) * price

    def initial_margin(self, instrument: Instrument, mark: Decimal) -> Decimal:
        """Margin bound by the position: what was set aside when isolated, mark value ÷ leverage when cross."""
        if self.mgn_mode == "isolated":
            return self.margin
        return self.notional(instrument, mark) / self.lever

    def maintenance(self, instrument: Instrument, mark: Decimal, fee_rate: Decimal) -> Decimal:
        """Maintenance margin plus the fee of closing."""
        return self.notional(instrument, mark) * (instrument.mmr_for(self.size) + fee_rate)

    def margin_ratio(self, instrument: Instrument, mark: Decimal, fee_rate: Decimal) -> Decimal | None:
        """(margin + upl) ÷ (maintenance + fee) of an isolated position; None when flat."""
        if self.contracts == 0:
            return None
        return (self.margin + self.upl(instrument, mark)) / self.maintenance(instrument, mark, fee_rate)

    def liquidation_price(self, instrument: Instrument, margin: Decimal, fee_rate: Decimal) -> Decimal | None:
        """Mark price at which `margin` no longer covers maintenance; None when that is never above zero."""
        if self.contracts == 0:
            return None
        coins = instrument.coins(self.size)
        rate = instrument.mmr_for(self.size) + fee_rate
        if self.contracts > 0:
            price = (margin - coins * self.avg_px) / (coins * (rate - 1))
        else:
            price = (margin + coins * self.avg_px) / (coins * (rate + 1))
        return price if price > 0 else None
