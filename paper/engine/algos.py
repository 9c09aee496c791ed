"""Algo orders on request, and their triggers as prices move."""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.algo import ALGO_TYPES, Algo
from paper.engine.order import Order
from paper.engine.orders import (
    MARKET_PRICE,
    Params,
    check_order_price,
    check_size,
    client_id,
    enter,
    flag,
    number,
    read_leg,
    required_margin,
    trade_mode,
    word,
)
from paper.engine.quote import Quote
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.numbers import ZERO, is_multiple

# codes per trigger type: TP of a buy, SL of a buy, TP of a sell, SL of a sell
_PLACEMENT = {
    "last": ("51277", "51278", "51279", "51280"),
    "mark": ("51300", "51302", "51303", "51304"),
    "index": ("51305", "51306", "51307", "51308"),
}


def place_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Accept a conditional, oco or trigger order."""
    instrument, mode, side, pos_side = trade_mode(state, account, params)
    ord_type = word(params, "ordType")
    if ord_type not in ALGO_TYPES:
        raise bad_parameter("ordType")
    cl_id = client_id(params, "algoClOrdId")
    if cl_id and account.algo_by_cl_id.get(cl_id) in account.open_algos:
        raise OkxError("51065")
    fraction = word(params, "closeFraction")
    if fraction not in ("", "1"):
        raise bad_parameter("closeFraction")
    reduce_only = flag(params, "reduceOnly") or (side, pos_side) in (("sell", "long"), ("buy", "short"))
    if fraction and not reduce_only:
        raise OkxError("51328")
    sz = None if fraction else check_size(instrument, number(params, "sz"), False)
    algo = Algo(
        state.next_id(), cl_id, word(params, "tag"), instrument.inst_id, mode, side, pos_side, ord_type, sz,
        bool(fraction), reduce_only, account.lever(instrument.inst_id, mode, pos_side), state.now_ms,
        state.now_ms, cancel_on_close=flag(params, "cxlOnClosePos"), cl_ord_id=client_id(params, "clOrdId"),
    )  # fmt: skip
    quote = state.quotes[instrument.inst_id]
    if ord_type == "trigger":
        _read_trigger(state, algo, params)
    else:
        algo.tp_trigger, algo.tp_order, algo.tp_type = read_leg(instrument, params, "tp")
        algo.sl_trigger, algo.sl_order, algo.sl_type = read_leg(instrument, params, "sl")
        if algo.tp_trigger is None and algo.sl_trigger is None:
            raise OkxError("50015", "tpTriggerPx", "slTriggerPx")
        if ord_type == "oco" and (algo.tp_trigger is None or algo.sl_trigger is None):
            raise OkxError("50014", "tpTriggerPx" if algo.tp_trigger is None else "slTriggerPx")
        if ord_type == "conditional" and algo.sl_trigger is not None:
            algo.tp_trigger = algo.tp_order = None  # a conditional with both legs keeps only the stop
        if fraction and not {algo.tp_order, algo.sl_order} <= {None, MARKET_PRICE}:
            raise OkxError("51330")
        check_legs(quote, algo)
    account.algos[algo.algo_id] = account.open_algos[algo.algo_id] = algo
    if cl_id:
        account.algo_by_cl_id[cl_id] = algo.algo_id
        account.accepted[cl_id] = account.accepted.get(cl_id, 0) + 1
    state.algo_changed(account, algo)
    return algo


def _read_trigger(state: EngineState, algo: Algo, params: Params) -> None:
    instrument = state.instruments[algo.inst_id]
    algo.trigger_px, algo.order_px = number(params, "triggerPx"), number(params, "orderPx")
    algo.trigger_type = word(params, "triggerPxType") or "last"
    if algo.trigger_px is None or algo.trigger_px <= 0 or not is_multiple(algo.trigger_px, instrument.tick):
        raise bad_parameter("triggerPx")
    if algo.order_px is None:
        raise bad_parameter("orderPx")
    check_order_price(algo.order_px, instrument.tick, "orderPx")
    if algo.trigger_type not in ("last", "mark", "index"):
        raise bad_parameter("triggerPxType")
    algo.rising = algo.trigger_px > state.quotes[algo.inst_id].trigger_price(algo.trigger_type)


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
    return account.algos.get(algo_id or account.algo_by_cl_id.get(cl_id, ""))


def cancel_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Cancel a live algo. Raises 51400 when it is not live."""
    algo = find_algo(account, params)
    if algo is None or algo.algo_id not in account.open_algos:
        raise OkxError("51400")
    state.end_algo(account, algo, "canceled", "1")
    return algo


def amend_algo(state: EngineState, account: Account, params: Params) -> Algo:
    """Move triggers or size of a live algo. A new trigger of 0 removes that leg."""
    algo = find_algo(account, params)
    if algo is None or algo.algo_id not in account.open_algos:
        raise OkxError("51503")
    instrument = state.instruments[algo.inst_id]
    fields = ("sz", "tp_trigger", "tp_order", "tp_type", "sl_trigger", "sl_order", "sl_type")
    was = {name: getattr(algo, name) for name in fields}
    try:
        new_sz = number(params, "newSz")
        if new_sz is not None and algo.sz is not None:
            algo.sz = check_size(instrument, new_sz, False)
        for leg in ("tp", "sl"):
            _amend_leg(algo, params, leg, instrument.tick)
        if algo.ord_type != "trigger":
            if algo.tp_trigger is None and algo.sl_trigger is None:
                raise OkxError("51500")
            check_legs(state.quotes[algo.inst_id], algo)
    except OkxError:
        for name, value in was.items():
            setattr(algo, name, value)
        raise
    algo.req_id, algo.amend_result = word(params, "reqId"), "0"
    state.algo_changed(account, algo)
    return algo


def _amend_leg(algo: Algo, params: Params, leg: str, tick: Decimal) -> None:
    name = leg.capitalize()
    trigger, order_px = number(params, f"new{name}TriggerPx"), number(params, f"new{name}OrdPx")
    kind = word(params, f"new{name}TriggerPxType")
    if kind:
        if kind not in ("last", "mark", "index"):
            raise bad_parameter(f"new{name}TriggerPxType")
        setattr(algo, f"{leg}_type", kind)
    if trigger is not None:
        if trigger < 0 or not is_multiple(trigger, tick):
            raise bad_parameter(f"new{name}TriggerPx")
        setattr(algo, f"{leg}_trigger", trigger or None)
        if trigger and getattr(algo, f"{leg}_order") is None:
            setattr(algo, f"{leg}_order", MARKET_PRICE)
    if order_px is not None:
        check_order_price(order_px, tick, f"new{name}OrdPx")
        if algo.close_fraction and order_px != MARKET_PRICE:
            raise OkxError("51330")
        setattr(algo, f"{leg}_order", order_px)


def fire_triggers(state: EngineState, inst_id: str) -> None:
    """Fire the algos of an instrument whose price has come, oldest first."""
    quote = state.quotes[inst_id]
    for account in state.accounts.values():
        for algo in list(account.open_algos.values()):
            if algo.inst_id != inst_id or algo.algo_id not in account.open_algos:
                continue
            leg = algo.triggered(quote)
            if leg is not None:
                _fire(state, account, algo, *leg)


def _fire(state: EngineState, account: Account, algo: Algo, leg: str, order_px: Decimal) -> None:
    algo.trigger_time, algo.actual_side = state.now_ms, leg
    position = account.position(algo.inst_id, algo.td_mode, algo.pos_side)
    sz = algo.sz if algo.sz is not None else (position.size if position is not None else ZERO)
    if algo.reduce_only:
        against = position is not None and (position.contracts > 0) == (algo.side == "sell")
        sz = min(sz, position.size) if against and position is not None else ZERO
    if sz <= 0:
        algo.fail_code = "51169"
        state.end_algo(account, algo, "order_failed")
        return
    market = order_px == MARKET_PRICE
    order = Order(
        state.next_id(), "", algo.tag, algo.inst_id, algo.td_mode, algo.side, algo.pos_side,
        "market" if market else "limit", sz, None if market else order_px, algo.reduce_only,
        account.lever(algo.inst_id, algo.td_mode, algo.pos_side), state.now_ms, state.now_ms,
        source="6" if algo.ord_type == "trigger" else "7", algo_id=algo.algo_id,
        algo_cl_ord_id=algo.algo_cl_ord_id,
    )  # fmt: skip
    order.frozen = required_margin(state, account, order)
    if order.frozen > state.balance(account).available:
        algo.fail_code = "51008"
        state.end_algo(account, algo, "order_failed")
        return
    algo.ord_ids, algo.actual_sz = [order.ord_id], sz
    algo.actual_px = None if market else order_px
    state.end_algo(account, algo, "effective")
    enter(state, account, order)
    algo.actual_px = order.avg_px if market else order_px
