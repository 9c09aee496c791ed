"""Amending a resting order: size, price, attached stops.

A failed amendment changes nothing, or with cxlOnFail ends the order (amendResult 1). A new price or a larger size
loses the order's place in the queue; a smaller size keeps it.
"""

import copy

from paper.engine.account import Account
from paper.engine.attached import amend_attached
from paper.engine.limits import check_position_limit, required_margin
from paper.engine.matching import arrive, cancel
from paper.engine.order import TAKER_TYPES, Order
from paper.engine.orders import available_to_close, find, read_price
from paper.engine.params import Params, check_size, flag, number, word
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.numbers import ZERO


def amend(state: EngineState, account: Account, params: Params) -> Order:
    """Change a resting order; a size at or under what is filled completes it. Raises OkxError."""
    state.instrument(word(params, "instId"))
    order = find(account, params)
    if order is None:
        raise OkxError("51603")
    if not order.is_open:
        raise OkxError("51503")
    if order.ord_type in TAKER_TYPES:
        raise OkxError("51506")
    cancel_on_fail, req_id = flag(params, "cxlOnFail"), word(params, "reqId")
    try:
        _apply(state, account, order, params)
    except OkxError:
        if cancel_on_fail:
            order.amend_source, order.amend_result, order.req_id = "1", "1", req_id
            cancel(state, account, order, "1")
        raise
    order.amend_source, order.amend_result, order.req_id = order.amend_source or "1", "0", req_id
    if order.remaining == 0:
        state.end_order(account, order, "filled")
        state.order_changed(account, order)
        return order
    state.order_changed(account, order)
    if not order.queued:
        arrive(state, account, order)
    return order


def _apply(state: EngineState, account: Account, order: Order, params: Params) -> None:
    """Put the changes into the order, or raise and leave it as it was. `queued` 0 = it must meet the book anew."""
    instrument = state.instruments[order.inst_id]
    new_sz, new_px = number(params, "newSz"), number(params, "newPx")
    items = params.get("attachAlgoOrds") or []
    if not isinstance(items, list):
        raise bad_parameter("attachAlgoOrds")
    if new_sz is None and new_px is None and not items:
        raise OkxError("51500")
    changed = order.copy()
    changed.attached = [copy.copy(each) for each in order.attached]
    changed.amend_source = "1"
    if new_sz is not None:
        changed.sz = max(order.filled, check_size(instrument, new_sz, False))
    if changed.reduce_only and changed.pos_side == "net":
        position = account.position(order.inst_id, order.td_mode, order.pos_side)
        if position is None:
            raise OkxError("51521")
        if changed.remaining > position.size:
            changed.sz, changed.amend_source = changed.filled + position.size, "2"
    elif changed.reduce_only:
        free = available_to_close(account, order.inst_id, order.td_mode, order.pos_side) + order.remaining
        if changed.remaining > free:
            raise OkxError("51112")
    if new_px is not None:
        given = {"px": new_px, "pxAmendType": params.get("pxAmendType")}
        changed.px = read_price(state, instrument, order.side, order.ord_type, given)
    amend_attached(instrument, changed.attached, items)
    if changed.sz > order.sz:
        check_position_limit(account, instrument, changed)
    was, order.frozen = order.frozen, ZERO
    needed = required_margin(state, account, changed)
    if needed > max(was, state.balance(account).available):
        order.frozen = was
        raise OkxError("51008", "USDT")
    loses_place = changed.px != order.px or changed.sz > order.sz
    if loses_place:
        state.resting_in(order.inst_id).remove(order)
        order.queued = 0
    order.sz, order.px, order.attached, order.frozen = changed.sz, changed.px, changed.attached, needed
    order.amend_source = changed.amend_source
