"""Booking an execution: fees, realised profit, margin, position, bill, and what follows from a closed position.

One execution may close and open at once (a flip in net mode): the closing part is booked first.
"""

from decimal import Decimal

from paper.engine.account import Account, Bill, PositionKey
from paper.engine.attached import enliven_attached
from paper.engine.margin import order_margin
from paper.engine.order import Fill, Order
from paper.engine.position import Position
from paper.engine.state import EngineState
from paper.numbers import PRICE_STEP, ZERO, money


def book_fill(
    state: EngineState,
    account: Account,
    order: Order,
    px: Decimal,
    sz: Decimal,
    exec_type: str,
    trade_id: str = "",
) -> Fill:
    """Book `sz` contracts of `order` at `px`; `exec_type` T or M. Both sides of a trade share its `trade_id`."""
    instrument, quote = state.instruments[order.inst_id], state.quotes[order.inst_id]
    key = (order.inst_id, order.td_mode, order.pos_side)
    position = position_at(state, account, key, order.lever)
    rate = state.rules.taker if exec_type == "T" else state.rules.maker
    fee = -money(instrument.coins(sz) * px * rate)
    against = position.contracts != 0 and position.sign != order.direction
    closing = min(sz, position.size) if against else ZERO
    trade_id = trade_id or state.next_trade_id(order.inst_id)

    before = account.cash
    margin_before = position.margin
    fee_closing = money(fee * closing / sz)
    pnl = _close(state, account, position, closing, px, fee_closing)
    opening = sz - closing
    if opening > 0:
        position = _open(state, account, position, opening * order.direction, px, order.lever, fee - fee_closing)
        if position.mgn_mode == "isolated":
            margin = money(instrument.coins(opening) * px / order.lever)
            position.margin += margin
            account.cash -= margin
    account.cash += pnl + fee
    account.totals.pnl += pnl
    account.totals.fees += fee
    position.updated, position.trade_id = state.now_ms, trade_id

    sub_type = _sub_type(order)
    bill = state.bill(
        account,
        Bill(
            state.next_id(), "2", sub_type, state.now_ms, account.cash - before, account.cash,
            position.margin - margin_before, position.margin, sz, px, pnl, fee, order.td_mode, order.inst_id,
            order.ord_id, order.cl_ord_id, exec_type, trade_id, order.tag,
        ),
    )  # fmt: skip
    fill = Fill(
        trade_id, bill.bill_id, order.ord_id, order.cl_ord_id, order.tag, order.inst_id, order.side,
        order.pos_side, px, sz, exec_type, fee, -rate, pnl, state.now_ms, quote.mark, quote.index, sub_type,
    )  # fmt: skip
    account.fills.append(fill)
    _advance_order(state, account, order, fill)
    state.balance_changed(account, "filled", key, trade_id)
    if closing and (opening or position.contracts == 0):
        _after_close(state, account, key)
    elif closing:
        _trim_reducing(state, account, key, position)
    if closing and account.open_orders:
        _refreeze(state, account, key)
    if order.state == "filled":  # after the old position's stops have gone, or these would go with them
        enliven_attached(state, account, order)
    return fill


def position_at(state: EngineState, account: Account, key: PositionKey, lever: Decimal) -> Position:
    """The position's record, fresh when it was flat. A position keeps its posId over its lives."""
    position = account.positions.get(key)
    if position is None:
        position = account.positions[key] = Position(*key, pos_id=state.next_id(), lever=lever)
    return position


def _open(
    state: EngineState,
    account: Account,
    position: Position,
    contracts: Decimal,
    px: Decimal,
    lever: Decimal,
    fee: Decimal,
) -> Position:
    """Enlarge a position, or begin its next life: the record of a closed one is left to the history."""
    if position.contracts == 0:
        key = (position.inst_id, position.mgn_mode, position.pos_side)
        position = account.positions[key] = Position(*key, position.pos_id, lever, created=state.now_ms)
    size, added = position.size, abs(contracts)
    position.avg_px = ((position.avg_px * size + px * added) / (size + added)).quantize(PRICE_STEP)
    position.contracts += contracts
    position.direction = position.sign
    position.lever = lever
    position.fee += fee
    position.opened += added
    position.opened_value += added * px
    position.open_max = max(position.open_max, position.size)
    return position


def _close(
    state: EngineState, account: Account, position: Position, closing: Decimal, px: Decimal, fee: Decimal
) -> Decimal:
    """Reduce by `closing` contracts; returns the realised profit and gives released margin back to cash."""
    if not closing:
        return ZERO
    instrument = state.instruments[position.inst_id]
    pnl = money(instrument.coins(closing) * (px - position.avg_px) * position.sign)
    if position.mgn_mode == "isolated":
        whole = closing == position.size
        released = position.margin if whole else money(position.margin * closing / position.size)
        position.margin -= released
        account.cash += released
    position.contracts -= closing * position.sign
    position.pnl += pnl
    position.fee += fee
    position.closed += closing
    position.closed_value += closing * px
    if position.contracts == 0:
        position.updated, position.close_type = state.now_ms, "2"
        account.position_history.append(position)
    return pnl


def _advance_order(state: EngineState, account: Account, order: Order, fill: Fill) -> None:
    value = (order.avg_px or ZERO) * order.filled + fill.px * fill.sz
    unfilled = order.remaining
    order.filled += fill.sz
    order.avg_px = (value / order.filled).quantize(PRICE_STEP)
    order.fee += fill.fee
    order.pnl += fill.pnl
    order.last_fill = fill
    if order.remaining == 0:
        state.end_order(account, order, "filled")
    else:
        order.state = "partially_filled"
        order.frozen = money(order.frozen * order.remaining / unfilled)
    state.order_changed(account, order, fill)


def _after_close(state: EngineState, account: Account, key: PositionKey) -> None:
    """A position is gone: its stops and targets and its reduce-only orders end with it."""
    inst_id, mgn_mode, pos_side = key
    if not state.rules.algos_after_close:
        for algo in list(account.open_algos.values()):
            if (algo.inst_id, algo.td_mode, algo.pos_side) == key and algo.ends_with_position:
                state.end_algo(account, algo, "canceled", "21")
    for order in list(account.open_orders.values()):
        same = (order.inst_id, order.td_mode, order.pos_side) == (inst_id, mgn_mode, pos_side)
        if same and order.reduce_only:
            state.end_order(account, order, "canceled", "2")
            state.order_changed(account, order)


def _trim_reducing(state: EngineState, account: Account, key: PositionKey, position: Position) -> None:
    """Resting reduce-only orders of net mode shrink with the position they reduce (amendSource 4)."""
    for order in list(account.open_orders.values()):
        mine = (order.inst_id, order.td_mode, order.pos_side) == key
        if mine and order.reduce_only and order.pos_side == "net" and order.remaining > position.size:
            if order.px is None or not order.queued:  # still on its way through the book
                continue
            order.sz = order.filled + position.size
            order.amend_source = "4"
            state.order_changed(account, order)


def _refreeze(state: EngineState, account: Account, key: PositionKey) -> None:
    """There is less to close, so that resting orders may open now: they need margin, or end, youngest first."""
    instrument, taker = state.instruments[key[0]], state.rules.taker
    mine = [
        order
        for order in account.open_orders.values()
        if (order.inst_id, order.td_mode, order.pos_side) == key and order.queued and not order.reduce_only
    ]
    dearer = []
    for order in mine:
        needed = order_margin(account, instrument, order, order.px or ZERO, taker)
        if needed > order.frozen:
            dearer.append(order)
        order.frozen = needed
    while dearer and state.balance(account).shortfall > 0:
        order = dearer.pop()
        state.end_order(account, order, "canceled", "3")
        state.order_changed(account, order)


def _sub_type(order: Order) -> str:
    """Bill subtype: buy or sell in net mode, open/close long/short in hedge mode."""
    if order.category in ("full_liquidation", "partial_liquidation"):
        return "104" if order.side == "sell" else "105"
    if order.pos_side == "net":
        return "1" if order.side == "buy" else "2"
    table = {("buy", "long"): "3", ("sell", "short"): "4", ("sell", "long"): "5", ("buy", "short"): "6"}
    return table[(order.side, order.pos_side)]
