"""Meeting orders with the book: takers on arrival, resting limits as prices move.

Orders never meet each other: every account trades against the synthetic book, whose depth within one step is
shared, best price first and among equals the oldest first.
"""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.order import Order
from paper.engine.settlement import book_fill, enliven_attached
from paper.engine.state import EngineState
from paper.numbers import ZERO


def taken_side(order: Order) -> str:
    return "asks" if order.side == "buy" else "bids"


def limit_price(state: EngineState, order: Order) -> Decimal:
    """The worst price an order may trade at: its own, or the price band for a market order."""
    if order.px is not None:
        return order.px
    high, low = state.price_limits(order.inst_id)
    return high if order.side == "buy" else low


def closable(account: Account, order: Order) -> Decimal:
    """Contracts a reduce-only order may still trade."""
    if not order.reduce_only:
        return order.remaining
    position = account.position(order.inst_id, order.td_mode, order.pos_side)
    if position is None or position.sign == order.direction:
        return ZERO
    return min(order.remaining, position.size)


def cancel(state: EngineState, account: Account, order: Order, source: str) -> None:
    """End an open order; what was filled stays, with or without its attached stops as the rules say."""
    state.end_order(account, order, "canceled", source)
    state.order_changed(account, order)
    if order.filled > 0 and state.rules.attached_after_partial:
        enliven_attached(state, account, order)


def arrive(state: EngineState, account: Account, order: Order) -> None:
    """A new order meets the book: fills what it can, then rests or ends by its type."""
    side, limit, book = taken_side(order), limit_price(state, order), state.book(order.inst_id)
    if order.ord_type == "post_only":
        best = state.quotes[order.inst_id].ask if order.side == "buy" else state.quotes[order.inst_id].bid
        if (limit >= best) if order.side == "buy" else (limit <= best):
            cancel(state, account, order, "31")
        return
    if order.ord_type == "fok" and book.available(side, limit, order.remaining) < order.remaining:
        cancel(state, account, order, "13")
        return
    _take(state, account, order, side, limit, "T")
    if order.is_open and order.ord_type != "limit":
        cancel(state, account, order, "14")


def _take(state: EngineState, account: Account, order: Order, side: str, limit: Decimal, exec_type: str) -> None:
    wanted = closable(account, order)
    for price, size in state.book(order.inst_id).take(side, limit, wanted):
        if not order.is_open:  # a fill may have ended it: the position it could reduce is gone
            break
        book_fill(state, account, order, price if exec_type == "T" else limit, size, exec_type)


def meet_resting(state: EngineState, inst_id: str) -> None:
    """Let resting limits of an instrument trade at the current quote, as makers at their own price."""
    quote = state.quotes[inst_id]
    resting: list[tuple[Decimal, int, Account, Order]] = []
    for account in state.accounts.values():
        for order in account.open_orders.values():
            if order.inst_id != inst_id or order.px is None:
                continue
            touched = order.px >= quote.ask if order.side == "buy" else order.px <= quote.bid
            if touched:
                resting.append((order.px * -order.direction, int(order.ord_id), account, order))
    for _, _, account, order in sorted(resting, key=lambda item: item[:2]):
        if order.is_open and order.px is not None:
            _take(state, account, order, taken_side(order), order.px, "M")
