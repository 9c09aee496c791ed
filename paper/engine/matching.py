"""Meeting orders with the book: takers on arrival, resting limits as prices move.

A taker meets the market's own depth and the other accounts' resting limits, best price first; at one price the
market's depth was there first, then the accounts' orders by age. An account never trades with itself: `stpMode`
says which of its two orders ends.
"""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.attached import enliven_attached
from paper.engine.depth import best
from paper.engine.order import Order
from paper.engine.settlement import book_fill
from paper.engine.state import EngineState
from paper.numbers import ZERO

OTHER_SIDE = {"buy": "sell", "sell": "buy"}


def taken_side(order: Order) -> str:
    return "asks" if order.side == "buy" else "bids"


def limit_price(state: EngineState, order: Order) -> Decimal:
    """The worst price an order may trade at: its own, the best opposite one, or the price band of a market order."""
    if order.px is not None:
        return order.px
    if order.ord_type == "optimal_limit_ioc":
        return best(state, order.inst_id, taken_side(order))
    high, low = state.price_limits(order.inst_id)
    return high if order.side == "buy" else low


def closable(account: Account, order: Order) -> Decimal:
    """Contracts an order may still trade: a reduce-only one never more than the position holds."""
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


def rest(state: EngineState, account: Account, order: Order) -> None:
    """Put an open limit order at the end of the queue at its price."""
    order.queued = state.next_place()
    state.resting_in(order.inst_id).add(account, order)


def arrive(state: EngineState, account: Account, order: Order) -> None:
    """A new order meets the book: fills what it can, then rests or ends by its type."""
    side, limit = taken_side(order), limit_price(state, order)
    if order.ord_type == "post_only":
        opposite = best(state, order.inst_id, side)
        if (limit >= opposite) if order.side == "buy" else (limit <= opposite):
            cancel(state, account, order, "31")
        else:
            rest(state, account, order)
        return
    if order.ord_type == "fok":
        source = _cannot_fill_whole(state, account, order, limit)
        if source:
            cancel(state, account, order, source)
            return
    _take(state, account, order, side, limit)
    if not order.is_open:
        return
    if order.ord_type == "limit":
        rest(state, account, order)
    else:
        cancel(state, account, order, "14")


def _cannot_fill_whole(state: EngineState, account: Account, order: Order, limit: Decimal) -> str:
    """Why a fill-or-kill order ends at once, as a cancel source; blank when all of it can trade."""
    total = state.book(order.inst_id).available(taken_side(order), limit, order.remaining)
    for owner, maker in state.resting_in(order.inst_id).within(OTHER_SIDE[order.side], limit):
        if owner is not account:
            total += closable(owner, maker)
        elif order.stp_mode != "cancel_maker":
            return "32"
    return "" if total >= order.remaining else "13"


def _take(state: EngineState, account: Account, order: Order, side: str, limit: Decimal) -> None:
    """Trade up to `limit`: against other accounts' orders as they come, and the market's depth between them."""
    for owner, maker in state.resting_in(order.inst_id).within(OTHER_SIDE[order.side], limit):
        if maker.px is None or not maker.is_open:
            continue
        _take_depth(state, account, order, side, maker.px)
        wanted = closable(account, order) if order.is_open else ZERO
        if not wanted:
            return
        if owner is account:
            if not _prevent_self_trade(state, account, order, maker):
                return
            continue
        size = min(wanted, closable(owner, maker))
        if size <= 0:
            cancel(state, owner, maker, "2")
            continue
        trade_id = state.next_trade_id(order.inst_id)
        book_fill(state, owner, maker, maker.px, size, "M", trade_id)
        book_fill(state, account, order, maker.px, size, "T", trade_id)
        if not order.is_open:
            return
    _take_depth(state, account, order, side, limit)


def _take_depth(state: EngineState, account: Account, order: Order, side: str, limit: Decimal) -> None:
    wanted = closable(account, order)
    if not wanted:
        return
    for price, size in state.book(order.inst_id).take(side, limit, wanted):
        if not order.is_open:  # a fill may have ended it: the position it could reduce is gone
            break
        book_fill(state, account, order, price, size, "T")


def _prevent_self_trade(state: EngineState, account: Account, order: Order, maker: Order) -> bool:
    """Ends what the newer order's `stpMode` says; whether the newer order goes on."""
    if order.stp_mode in ("cancel_maker", "cancel_both"):
        cancel(state, account, maker, "32")
    if order.stp_mode in ("cancel_taker", "cancel_both"):
        cancel(state, account, order, "32")
    return order.is_open


def meet_resting(state: EngineState, inst_id: str) -> None:
    """Let resting limits of an instrument trade at the current quote, as makers at their own price."""
    quote, resting = state.quotes[inst_id], state.resting_in(inst_id)
    reached = [*resting.within("buy", quote.ask), *resting.within("sell", quote.bid)]
    for account, order in reached:
        wanted = closable(account, order) if order.is_open else ZERO
        if order.px is None or not wanted:
            continue
        for _, size in state.book(inst_id).take(taken_side(order), order.px, wanted):
            if not order.is_open:
                break
            book_fill(state, account, order, order.px, size, "M")
