"""Amending a live algo order: size, legs, trigger, attached stops, trailing distance.

A failed amendment changes nothing, or with cxlOnFail ends the order (amendResult 1).
"""

import copy

from paper.engine.account import Account
from paper.engine.algo import Algo
from paper.engine.algos import check_legs, find_algo
from paper.engine.attached import amend_attached, amend_leg
from paper.engine.params import (
    MARKET_PRICE,
    Params,
    check_order_price,
    check_size,
    flag,
    number,
    trigger_type,
    word,
)
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import is_multiple


def amend_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Move triggers or size of a live algo. A new trigger of 0 removes that leg. Raises OkxError."""
    state.instrument(word(params, "instId"))
    algo = find_algo(account, params)
    if algo is None or algo.algo_id not in account.open_algos:
        raise OkxError("51503")
    changed = copy.copy(algo)
    changed.attached = [copy.copy(each) for each in algo.attached]
    try:
        _apply(state, changed, params)
    except OkxError:
        if flag(params, "cxlOnFail"):
            algo.req_id, algo.amend_result = word(params, "reqId"), "1"
            state.end_algo(account, algo, "canceled", "1")
        raise
    for name in Algo.__slots__:
        setattr(algo, name, getattr(changed, name))
    algo.req_id, algo.amend_result = word(params, "reqId"), "0"
    state.algo_changed(account, algo)
    return algo


def _apply(state: EngineState, algo: Algo, params: Params) -> None:
    instrument = state.instruments[algo.inst_id]
    new_sz = number(params, "newSz")
    if new_sz is not None:
        if algo.sz is None:
            raise bad_parameter("newSz")
        algo.sz = check_size(instrument, new_sz, False)
    if algo.ord_type == "trigger":
        _amend_trigger(state, algo, params)
    elif algo.ord_type == "move_order_stop":
        _amend_trailing(instrument, algo, params)
    else:
        amend_leg(algo, params, "tp", "Tp", instrument.tick)
        amend_leg(algo, params, "sl", "Sl", instrument.tick)
        if algo.tp_trigger is None and algo.sl_trigger is None:
            raise OkxError("51500")
        if algo.close_fraction and not {algo.tp_order, algo.sl_order} <= {None, MARKET_PRICE}:
            raise OkxError("51330")
        check_legs(state.quotes[algo.inst_id], algo)


def _amend_trigger(state: EngineState, algo: Algo, params: Params) -> None:
    tick = state.instruments[algo.inst_id].tick
    trigger, order_px = number(params, "newTriggerPx"), number(params, "newOrdPx")
    if word(params, "newTriggerPxType"):
        algo.trigger_type = trigger_type(params, "newTriggerPxType")
    if trigger is not None:
        if trigger <= 0 or not is_multiple(trigger, tick):
            raise bad_parameter("newTriggerPx")
        algo.trigger_px = trigger
        algo.rising = trigger > state.quotes[algo.inst_id].trigger_price(algo.trigger_type)
    if order_px is not None:
        check_order_price(order_px, tick, "newOrdPx")
        algo.order_px = order_px
    given = params.get("attachAlgoOrds") or []
    if not isinstance(given, list):
        raise bad_parameter("attachAlgoOrds")
    items: list[object] = list(given)
    # A trigger carries one attached pair, which an amendment need not name.
    if len(algo.attached) == 1 and len(items) == 1 and isinstance(items[0], dict):
        items = [{**items[0], "attachAlgoId": algo.attached[0].attach_id}]
    amend_attached(state.instruments[algo.inst_id], algo.attached, items)


def _amend_trailing(instrument: Instrument, algo: Algo, params: Params) -> None:
    ratio, spread = number(params, "newCallbackRatio"), number(params, "newCallbackSpread")
    active = number(params, "newActivePx")
    if ratio is not None:
        if not 0 < ratio < 1:
            raise bad_parameter("newCallbackRatio")
        algo.callback, algo.callback_spread = ratio, False
    if spread is not None:
        if spread <= 0 or not is_multiple(spread, instrument.tick):
            raise bad_parameter("newCallbackSpread")
        algo.callback, algo.callback_spread = spread, True
    if active is not None and algo.extreme is None:
        if active <= 0 or not is_multiple(active, instrument.tick):
            raise bad_parameter("newActivePx")
        algo.active_px = active
