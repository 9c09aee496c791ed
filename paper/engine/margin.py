"""What an account may still use: equity, margin in use, what is available."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from paper.engine.account import Account
from paper.engine.order import Order
from paper.engine.quote import Quote
from paper.instruments import Instrument
from paper.numbers import ZERO, money


class Balance(NamedTuple):
    """An account's money at current mark prices, USDT."""

    cash: Decimal
    equity: Decimal
    available: Decimal
    frozen_orders: Decimal
    upl: Decimal
    isolated_equity: Decimal
    isolated_upl: Decimal
    cross_upl: Decimal
    initial_margin: Decimal
    maintenance: Decimal
    notional: Decimal

    @property
    def shortfall(self) -> Decimal:
        """By how much margin in use and bound by orders exceeds what there is; 0 when it does not."""
        return max(ZERO, self.initial_margin + self.frozen_orders - self.cash - self.cross_upl)

    @property
    def margin_ratio(self) -> Decimal | None:
        """Cross margin ratio; None without cross positions."""
        if self.maintenance == 0:
            return None
        return (self.cash - self.frozen_orders + self.cross_upl) / self.maintenance


def balance(
    account: Account, instruments: Mapping[str, Instrument], quotes: Mapping[str, Quote], taker: Decimal
) -> Balance:
    """Everything at mark. Maintenance includes the fee of closing."""
    cross_upl = isolated_upl = isolated = initial = maintenance = notional = ZERO
    for position in account.open_positions():
        instrument, mark = instruments[position.inst_id], quotes[position.inst_id].mark
        upl = position.upl(instrument, mark)
        notional += position.notional(instrument, mark)
        if position.mgn_mode == "isolated":
            isolated_upl += upl
            isolated += position.margin
        else:
            cross_upl += upl
            initial += position.initial_margin(instrument, mark)
            maintenance += position.maintenance(instrument, mark, taker)
    frozen = account.frozen
    available = max(ZERO, account.cash + cross_upl - initial - frozen)
    return Balance(
        cash=account.cash, equity=account.cash + cross_upl + isolated + isolated_upl, available=available,
        frozen_orders=frozen, upl=cross_upl + isolated_upl, isolated_equity=isolated + isolated_upl,
        isolated_upl=isolated_upl, cross_upl=cross_upl, initial_margin=initial, maintenance=maintenance,
        notional=notional,
    )  # fmt: skip


def opening_part(
    account: Account, inst_id: str, mgn_mode: str, pos_side: str, side: str, sz: Decimal, claimed: Decimal = ZERO
) -> Decimal:
    """How many of `sz` contracts would open rather than close, where earlier orders are to close `claimed` of them."""
    position = account.position(inst_id, mgn_mode, pos_side)
    if pos_side == "long":
        return sz if side == "buy" else ZERO
    if pos_side == "short":
        return sz if side == "sell" else ZERO
    if position is None or (position.contracts > 0) == (side == "buy"):
        return sz
    return max(ZERO, sz - max(ZERO, position.size - claimed))


def order_margin(account: Account, instrument: Instrument, order: Order, price: Decimal, taker: Decimal) -> Decimal:
    """Margin and taker fee at `price` for the part of an order's rest that would open; nothing for what only closes.

    What a position offers to close goes to its orders by age.
    """
    if order.reduce_only:
        return ZERO
    key, claimed = (order.inst_id, order.td_mode, order.pos_side), ZERO
    position = account.position(*key)
    if position is not None and position.sign != order.direction:
        for other in account.open_orders.values():
            if other.ord_id < order.ord_id and not other.reduce_only and alike(other, order):
                claimed += other.remaining
    opening = opening_part(account, *key, order.side, order.remaining, claimed)
    if not opening:
        return ZERO
    value = instrument.coins(opening) * price
    return money(value / order.lever + value * taker)


def alike(one: Order, other: Order) -> bool:
    """Whether two orders work on the same position in the same direction."""
    return (one.inst_id, one.td_mode, one.pos_side, one.side) == (
        other.inst_id, other.td_mode, other.pos_side, other.side,
    )  # fmt: skip
