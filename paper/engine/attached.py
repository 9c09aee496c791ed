"""Stops that ride in an order: read and checked on placement, moved by an amendment, brought to life by the fill."""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.algo import Algo
from paper.engine.order import Attached, Order
from paper.engine.params import (
    MARKET_PRICE,
    Params,
    check_order_price,
    check_size,
    client_id,
    number,
    trigger_type,
    word,
)
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import is_multiple

# codes: target of a buy, stop of a buy, target of a sell, stop of a sell
_AGAINST_LIMIT = ("51046", "51047", "51048", "51049")
_AGAINST_BEST = ("51050", "51051", "51052", "51053")


def read_attached(
    state: EngineState,
    account: Account,
    instrument: Instrument,
    side: str,
    px: Decimal | None,
    params: Params,
    reduce_only: bool,
) -> list[Attached]:
    """Attached stops of an order, checked to lie on the right side of its price (or of the book's best)."""
    items = params.get("attachAlgoOrds")
    if items in (None, "", []):
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_parameter("attachAlgoOrds")
    if reduce_only:
        raise OkxError("51100")
    quote = state.quotes[instrument.inst_id]
    against = px if px is not None else (quote.ask if side == "buy" else quote.bid)
    codes = _AGAINST_BEST if px is None else _AGAINST_LIMIT
    found: list[Attached] = []
    for item in items:
        cl_id = client_id(item, "attachAlgoClOrdId")
        _check_offered(item)
        target, stop = read_leg(instrument, item, "tp"), read_leg(instrument, item, "sl")
        if target[0] is None and stop[0] is None:
            raise OkxError("50015", "tpTriggerPx", "slTriggerPx")
        _check_side(codes, side, against, target[0], stop[0])
        check_algo_id_unused(account, cl_id, attaching=True)
        if cl_id and cl_id in {each.attach_cl_id for each in found}:
            raise OkxError("51065")
        sz = number(item, "sz")
        if sz is not None:
            check_size(instrument, sz, False)
        found.append(Attached(state.next_id(), cl_id, *target, *stop, sz, word(item, "amendPxOnTriggerType") or "0"))
    return found


def _check_offered(item: Params) -> None:
    """Targets that rest as limit orders, and stops moved to cost once a target is hit, are not traded here."""
    for name, only in (("tpOrdKind", "condition"), ("amendPxOnTriggerType", "0")):
        if word(item, name) not in ("", only):
            raise bad_parameter(name)


def check_algo_id_unused(account: Account, cl_id: str, attaching: bool) -> None:
    """A client id must be unique among live algos and the stops that ride in open orders.

    Raises 51065 for one of its own kind, 51068 where an algo and an attached stop would share it.
    """
    if not cl_id:
        return
    alive = account.algo_by_cl_id.get(cl_id) in account.open_algos
    if alive or any(cl_id == a.attach_cl_id for order in account.open_orders.values() for a in order.attached):
        raise OkxError("51065") if alive != attaching else OkxError("51068", cl_id)


def read_leg(instrument: Instrument, params: Params, leg: str) -> tuple[Decimal | None, Decimal | None, str]:
    """Trigger price, order price and trigger type of one leg. Both prices or neither."""
    trigger, order_px = number(params, f"{leg}TriggerPx"), number(params, f"{leg}OrdPx")
    kind = trigger_type(params, f"{leg}TriggerPxType")
    if trigger is None and order_px is None:
        return None, None, kind
    if trigger is None or order_px is None:
        raise OkxError("50014", f"{leg}OrdPx" if order_px is None else f"{leg}TriggerPx")
    if trigger <= 0 or not is_multiple(trigger, instrument.tick):
        raise bad_parameter(f"{leg}TriggerPx")
    check_order_price(order_px, instrument.tick, f"{leg}OrdPx")
    return trigger, order_px, kind


def _check_side(
    codes: tuple[str, str, str, str], side: str, against: Decimal, tp: Decimal | None, sl: Decimal | None
) -> None:
    buying = side == "buy"
    if tp is not None and (tp <= against if buying else tp >= against):
        raise OkxError(codes[0] if buying else codes[2])
    if sl is not None and (sl >= against if buying else sl <= against):
        raise OkxError(codes[1] if buying else codes[3])


def amend_attached(instrument: Instrument, attached: list[Attached], items: list[object]) -> None:
    """Move triggers, order prices or sizes of stops still attached. A new trigger of 0 removes that leg."""
    for item in items:
        if not isinstance(item, dict):
            raise bad_parameter("attachAlgoOrds")
        named = {word(item, "attachAlgoId"), word(item, "attachAlgoClOrdId")} - {""}
        target = next((a for a in attached if named & {a.attach_id, a.attach_cl_id}), None)
        if target is None:
            raise OkxError("51527")
        for leg, name in (("tp", "Tp"), ("sl", "Sl")):
            amend_leg(target, item, leg, name, instrument.tick)
        sz = number(item, "sz")
        if sz is not None:
            target.sz = check_size(instrument, sz, False)
    attached[:] = [a for a in attached if a.tp_trigger is not None or a.sl_trigger is not None]


def amend_leg(target: Attached | Algo, params: Params, leg: str, name: str, tick: Decimal) -> None:
    """Apply new{Tp,Sl}{TriggerPx,OrdPx,TriggerPxType} to one leg."""
    trigger, order_px = number(params, f"new{name}TriggerPx"), number(params, f"new{name}OrdPx")
    if word(params, f"new{name}TriggerPxType"):
        setattr(target, f"{leg}_type", trigger_type(params, f"new{name}TriggerPxType"))
    if trigger is not None:
        if trigger < 0 or not is_multiple(trigger, tick):
            raise bad_parameter(f"new{name}TriggerPx")
        setattr(target, f"{leg}_trigger", trigger or None)
        if not trigger:
            setattr(target, f"{leg}_order", None)
        elif getattr(target, f"{leg}_order") is None:
            setattr(target, f"{leg}_order", MARKET_PRICE)
    if order_px is not None:
        check_order_price(order_px, tick, f"new{name}OrdPx")
        setattr(target, f"{leg}_order", order_px)


def enliven_attached(state: EngineState, account: Account, order: Order) -> None:
    """Attached stops become algo orders of the filled size, in the same step as the fill."""
    for attached in order.attached:
        both = attached.tp_trigger is not None and attached.sl_trigger is not None
        algo = Algo(
            attached.attach_id, attached.attach_cl_id, order.tag, order.inst_id, order.td_mode,
            "sell" if order.side == "buy" else "buy", order.pos_side, "oco" if both else "conditional",
            min(attached.sz or order.filled, order.filled), False, state.rules.attached_reduce_only,
            order.lever, state.now_ms, state.now_ms,
            attached.tp_trigger, attached.tp_order, attached.tp_type,
            attached.sl_trigger, attached.sl_order, attached.sl_type,
            parent_ord_id=order.ord_id, cl_ord_id=order.cl_ord_id,
        )  # fmt: skip
        account.algos[algo.algo_id] = account.open_algos[algo.algo_id] = algo
        if algo.algo_cl_ord_id:
            account.algo_by_cl_id[algo.algo_cl_ord_id] = algo.algo_id
        state.algo_changed(account, algo)
