"""What an order may cost and how large a position may become."""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.depth import depth
from paper.engine.margin import alike, order_margin
from paper.engine.matching import limit_price, taken_side
from paper.engine.order import Order
from paper.engine.state import EngineState
from paper.errors import OkxError
from paper.instruments import Instrument
from paper.numbers import ZERO, text

DEEPEST = 400


def required_margin(state: EngineState, account: Account, order: Order) -> Decimal:
    """Margin and taker fee for the part that would open, at the limit or the price a market order would reach."""
    if order.reduce_only:
        return ZERO
    price = order.px if order.px is not None else expected_price(state, order)
    return order_margin(account, state.instruments[order.inst_id], order, price, state.rules.taker)


def expected_price(state: EngineState, order: Order) -> Decimal:
    """Price of the deepest level a market order would reach."""
    left, price = order.remaining, limit_price(state, order)
    count = 1  # most orders find enough at the best price
    while True:
        levels = depth(state, order.inst_id, taken_side(order), count)
        for level, size, _ in levels:
            left -= size
            price = level
            if left <= 0:
                return price
        if count >= DEEPEST:
            return price
        left, count = order.remaining, min(DEEPEST, count * 8)


def most_contracts(instrument: Instrument, lever: Decimal) -> Decimal:
    """The largest position a leverage allows: the top of the last tier that still offers it."""
    for tier in reversed(instrument.tiers):
        if tier.max_lever >= lever:
            return tier.max_sz
    return ZERO


def check_position_limit(account: Account, instrument: Instrument, order: Order) -> None:
    """Position, open orders of the same direction and this one within the tiers. Raises 51004."""
    if order.reduce_only:
        return
    key = (order.inst_id, order.td_mode, order.pos_side)
    position = account.position(*key)
    held = position.contracts * order.direction if position is not None else ZERO
    pending = ZERO
    for other in account.open_orders.values():
        if alike(other, order) and not other.reduce_only and other.ord_id != order.ord_id:
            pending += other.remaining
    most = most_contracts(instrument, order.lever)
    if held + pending + order.remaining > most:
        if order.pos_side == "net":
            what = f"buy/sell mode of {order.inst_id}, the sum of current {order.side} order size, position quantity"
        else:
            what = f"long/short mode of {order.inst_id}, the sum of current order size, position quantity"
        pending_word = "pending orders" if order.pos_side != "net" else f"pending {order.side} orders"
        raise OkxError(
            "51004",
            message=f"Order failed. For {what}, and {pending_word} can’t be more than {text(most)}(contracts) which "
            "is the maximum position amount under current leverage. Please lower the leverage or use a new "
            f"sub-account to place the order again (current leverage: {text(order.lever)}×, current {order.side} "
            f"order size: {text(order.remaining)} contracts, position quantity: {text(abs(held))} contracts, "
            f"pending {order.side} orders: {text(pending)} contracts).",
        )
