"""Algo orders on request: place, find, cancel. Raises `OkxError` with OKX's code when a request is refused."""

from paper.engine.account import Account
from paper.engine.algo import ALGO_TYPES, Algo
from paper.engine.attached import check_algo_id_unused, read_attached, read_leg
from paper.engine.params import (
    MARKET_PRICE,
    Params,
    check_order_price,
    check_size,
    client_id,
    closes,
    flag,
    number,
    tag_of,
    trade_mode,
    trigger_type,
    word,
)
from paper.engine.quote import Quote
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import is_multiple

# Open algos of one kind: stops and targets per instrument, triggers and trailing stops in all.
MAX_STOPS, MAX_TRIGGERS, MAX_TRAILING = 100, 500, 50
# codes per trigger type: TP of a buy, SL of a buy, TP of a sell, SL of a sell
_PLACEMENT = {
    "last": ("51277", "51278", "51279", "51280"),
    "mark": ("51300", "51302", "51303", "51304"),
    "index": ("51305", "51306", "51307", "51308"),
}


def place_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Accept a conditional, oco, trigger or trailing order."""
    instrument, mode, side, pos_side = trade_mode(state, account, params)
    ord_type = word(params, "ordType")
    if ord_type not in ALGO_TYPES:
        raise bad_parameter("ordType")
    cl_id = client_id(params, "algoClOrdId")
    check_algo_id_unused(account, cl_id, attaching=False)
    _check_room(account, instrument.inst_id, ord_type)
    fraction = word(params, "closeFraction")
    if fraction not in ("", "1"):
        raise bad_parameter("closeFraction")
    reduce_only = flag(params, "reduceOnly") or closes(side, pos_side)
    if fraction and not reduce_only:
        raise OkxError("51328")
    if fraction and ord_type == "trigger":
        raise OkxError("51331")
    if fraction and any(
        (a.inst_id, a.td_mode, a.pos_side) == (instrument.inst_id, mode, pos_side) and a.close_fraction
        for a in account.open_algos.values()
    ):
        raise OkxError("51088")
    sz = None if fraction else check_size(instrument, number(params, "sz"), False)
    algo = Algo(
        state.next_id(), cl_id, tag_of(params), instrument.inst_id, mode, side, pos_side, ord_type, sz,
        bool(fraction), reduce_only, account.lever(instrument.inst_id, mode, pos_side), state.now_ms,
        state.now_ms, cancel_on_close=flag(params, "cxlOnClosePos"), cl_ord_id=client_id(params, "clOrdId"),
    )  # fmt: skip
    if ord_type == "trigger":
        _read_trigger(state, account, algo, params)
    elif ord_type == "move_order_stop":
        _read_trailing(state, algo, params)
    else:
        _read_legs(instrument, algo, params)
        check_legs(state.quotes[instrument.inst_id], algo)
    account.algos[algo.algo_id] = account.open_algos[algo.algo_id] = algo
    if cl_id:
        account.algo_by_cl_id[cl_id] = algo.algo_id
        account.accepted[cl_id] = account.accepted.get(cl_id, 0) + 1
    state.algo_changed(account, algo)
    return algo


def _check_room(account: Account, inst_id: str, ord_type: str) -> None:
    kinds = ("conditional", "oco") if ord_type in ("conditional", "oco") else (ord_type,)
    alike = [algo for algo in account.open_algos.values() if algo.ord_type in kinds]
    if len(kinds) == 2:
        alike = [algo for algo in alike if algo.inst_id == inst_id]
    most = {"trigger": MAX_TRIGGERS, "move_order_stop": MAX_TRAILING}.get(ord_type, MAX_STOPS)
    if len(alike) >= most:
        raise OkxError("51174", inst_id, str(most))


def _read_legs(instrument: Instrument, algo: Algo, params: Params) -> None:
    algo.tp_trigger, algo.tp_order, algo.tp_type = read_leg(instrument, params, "tp")
    algo.sl_trigger, algo.sl_order, algo.sl_type = read_leg(instrument, params, "sl")
    if algo.tp_trigger is None and algo.sl_trigger is None:
        raise OkxError("50015", "tpTriggerPx", "slTriggerPx")
    if algo.ord_type == "oco" and (algo.tp_trigger is None or algo.sl_trigger is None):
        raise OkxError("50014", "tpTriggerPx" if algo.tp_trigger is None else "slTriggerPx")
    if algo.ord_type == "conditional" and algo.sl_trigger is not None:
        algo.tp_trigger = algo.tp_order = None  # a conditional with both legs keeps only the stop
    if algo.close_fraction and not {algo.tp_order, algo.sl_order} <= {None, MARKET_PRICE}:
        raise OkxError("51330")


def _read_trigger(state: EngineState, account: Account, algo: Algo, params: Params) -> None:
    instrument = state.instruments[algo.inst_id]
    algo.trigger_px, algo.order_px = number(params, "triggerPx"), number(params, "orderPx")
    algo.trigger_type = trigger_type(params, "triggerPxType")
    if algo.trigger_px is None or algo.trigger_px <= 0 or not is_multiple(algo.trigger_px, instrument.tick):
        raise bad_parameter("triggerPx")
    if algo.order_px is None:
        raise bad_parameter("orderPx")
    check_order_price(algo.order_px, instrument.tick, "orderPx")
    against = algo.trigger_px if algo.order_px == MARKET_PRICE else algo.order_px
    algo.attached = read_attached(state, account, instrument, algo.side, against, params, algo.reduce_only)
    algo.rising = algo.trigger_px > state.quotes[algo.inst_id].trigger_price(algo.trigger_type)


def _read_trailing(state: EngineState, algo: Algo, params: Params) -> None:
    instrument = state.instruments[algo.inst_id]
    ratio, spread = number(params, "callbackRatio"), number(params, "callbackSpread")
    if ratio is None and spread is None:
        raise OkxError("50015", "callbackRatio", "callbackSpread")
    if ratio is not None and spread is not None:
        raise OkxError("50024", "callbackRatio", "callbackSpread")
    if ratio is not None and not 0 < ratio < 1:
        raise bad_parameter("callbackRatio")
    if spread is not None and (spread <= 0 or not is_multiple(spread, instrument.tick)):
        raise bad_parameter("callbackSpread")
    algo.callback, algo.callback_spread = (ratio, False) if ratio is not None else (spread, True)
    algo.active_px = number(params, "activePx")
    if algo.active_px is not None and (algo.active_px <= 0 or not is_multiple(algo.active_px, instrument.tick)):
        raise bad_parameter("activePx")
    algo.follow(state.quotes[algo.inst_id].last)


def check_legs(quote: Quote, algo: Algo) -> None:
    """Legs must lie on the right side of the price they watch."""
    buying = algo.side == "buy"  # buying closes a short: target below, stop above
    if algo.tp_trigger is not None:
        price = quote.trigger_price(algo.tp_type)
        if (algo.tp_trigger >= price) if buying else (algo.tp_trigger <= price):
            raise OkxError(_PLACEMENT[algo.tp_type][0 if buying else 2])
    if algo.sl_trigger is not None:
        price = quote.trigger_price(algo.sl_type)
        if (algo.sl_trigger <= price) if buying else (algo.sl_trigger >= price):
            raise OkxError(_PLACEMENT[algo.sl_type][1 if buying else 3])


def find_algo(account: Account, params: Params) -> Algo | None:
    algo_id, cl_id = word(params, "algoId"), word(params, "algoClOrdId")
    if not algo_id and not cl_id:
        raise OkxError("50015", "algoId", "algoClOrdId")
    algo = account.algos.get(algo_id or account.algo_by_cl_id.get(cl_id, ""))
    return algo if algo is not None and word(params, "instId") in ("", algo.inst_id) else None


def cancel_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Cancel a live algo. Raises 51400 when it is not live."""
    state.instrument(word(params, "instId"))
    algo = find_algo(account, params)
    if algo is None or algo.algo_id not in account.open_algos:
        raise OkxError("51400")
    state.end_algo(account, algo, "canceled", "1")
    return algo
