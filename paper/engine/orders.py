"""Orders on request: place, cancel, amend. Raises `OkxError` with OKX's code when a request is refused."""

import re
from collections.abc import Mapping
from decimal import Decimal

from paper.engine.account import Account
from paper.engine.margin import opening_part
from paper.engine.matching import arrive, cancel, limit_price, taken_side
from paper.engine.order import ORDER_TYPES, TAKER_TYPES, Attached, Order
from paper.engine.quote import Quote
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import ZERO, is_multiple, money, parse

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
TAG = re.compile(r"[A-Za-z0-9]{1,16}")
MARKET_PRICE = Decimal(-1)
MAX_OPEN_PER_INSTRUMENT = 500

Params = Mapping[str, object]


def word(params: Params, name: str) -> str:
    """A parameter as text; blank, null and absent are all blank. JSON true and false become words."""
    value = params.get(name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | Decimal):
        return str(value).strip()
    raise bad_parameter(name)


def number(params: Params, name: str) -> Decimal | None:
    try:
        return parse(word(params, name))
    except ValueError:
        raise bad_parameter(name) from None


def flag(params: Params, name: str) -> bool:
    value = word(params, name).lower()
    if value not in ("", "true", "false"):
        raise bad_parameter(name)
    return value == "true"


def client_id(params: Params, name: str) -> str:
    value = word(params, name)
    if value and not CLIENT_ID.fullmatch(value):
        raise bad_parameter(name)
    return value


def trade_mode(state: EngineState, account: Account, params: Params) -> tuple[Instrument, str, str, str]:
    """Instrument, margin mode, side and position side of a request."""
    instrument = state.instrument(word(params, "instId"))
    mode, side = word(params, "tdMode"), word(params, "side")
    if mode not in ("cross", "isolated"):
        raise bad_parameter("tdMode")
    if side not in ("buy", "sell"):
        raise bad_parameter("side")
    return instrument, mode, side, position_side(account, params)


def position_side(account: Account, params: Params) -> str:
    given = word(params, "posSide")
    if account.pos_mode == "net_mode":
        if given not in ("", "net"):
            raise bad_parameter("posSide")
        return "net"
    if given not in ("long", "short"):
        raise bad_parameter("posSide")
    return given


def check_size(instrument: Instrument, sz: Decimal | None, market: bool) -> Decimal:
    if sz is None or sz <= 0:
        raise bad_parameter("sz")
    if sz < instrument.min_sz:
        raise OkxError("51020")
    if not is_multiple(sz, instrument.lot):
        raise OkxError("51121")
    if market and sz > instrument.max_mkt_sz:
        raise OkxError("51202")
    if sz > instrument.max_lmt_sz:
        raise OkxError("51101", str(instrument.max_lmt_sz))
    return sz


def place(state: EngineState, account: Account, params: Params) -> Order:
    """Accept an order and let it meet the book. The order's events are in the state when this returns."""
    instrument, mode, side, pos_side = trade_mode(state, account, params)
    ord_type = word(params, "ordType")
    if ord_type not in ORDER_TYPES:
        raise bad_parameter("ordType")
    cl_id = client_id(params, "clOrdId")
    open_id = account.order_by_cl_id.get(cl_id)
    if cl_id and open_id in account.open_orders:
        raise OkxError("51016")
    tag = word(params, "tag")
    if tag and not TAG.fullmatch(tag):
        raise bad_parameter("tag")
    sz = check_size(instrument, number(params, "sz"), ord_type in ("market", "optimal_limit_ioc"))
    px = _price(state, instrument, side, ord_type, params)
    hedge_close = (side, pos_side) in (("sell", "long"), ("buy", "short"))
    reduce_only = (flag(params, "reduceOnly") and pos_side == "net") or hedge_close
    attached = read_attached(state, account, instrument, side, px, params, reduce_only)
    if attached and ord_type == "fok" and not state.rules.fok_attached_stops:
        raise OkxError("51000", message="Parameter attachAlgoOrds  error")
    pending = sum(order.inst_id == instrument.inst_id for order in account.open_orders.values())
    if pending >= MAX_OPEN_PER_INSTRUMENT:
        raise OkxError("51102", str(MAX_OPEN_PER_INSTRUMENT))
    amend_source = ""
    if reduce_only:
        held = _reducible(account, instrument.inst_id, mode, pos_side, side)
        if sz > held:
            sz, amend_source = held, "3"
    lever = account.lever(instrument.inst_id, mode, pos_side)
    order = Order(
        state.next_id(), cl_id, tag, instrument.inst_id, mode, side, pos_side, ord_type, sz, px, reduce_only,
        lever, state.now_ms, state.now_ms, attached, amend_source=amend_source,
        stp_mode=word(params, "stpMode") or "cancel_maker",
    )  # fmt: skip
    order.frozen = required_margin(state, account, order)
    if order.frozen > state.balance(account).available:
        raise OkxError("51008", "USDT")
    if cl_id:
        account.order_by_cl_id[cl_id] = order.ord_id
        account.accepted[cl_id] = account.accepted.get(cl_id, 0) + 1
    enter(state, account, order)
    return order


def enter(state: EngineState, account: Account, order: Order) -> None:
    """Record an accepted order, report it live, let it trade."""
    account.orders[order.ord_id] = account.open_orders[order.ord_id] = order
    state.order_changed(account, order)
    arrive(state, account, order)


def required_margin(state: EngineState, account: Account, order: Order) -> Decimal:
    """Margin and taker fee for the part that would open; nothing for what only closes."""
    if order.reduce_only:
        return ZERO
    opening = opening_part(account, order.inst_id, order.td_mode, order.pos_side, order.side, order.remaining)
    if not opening:
        return ZERO
    price = order.px
    if price is None:
        price = _expected_price(state, order)
    value = state.instruments[order.inst_id].coins(opening) * price
    return money(value / order.lever + value * state.rules.taker)


def _expected_price(state: EngineState, order: Order) -> Decimal:
    """Price of the deepest level a market order would reach."""
    left, price = order.remaining, limit_price(state, order)
    for level, size in state.book(order.inst_id).levels(taken_side(order), 400):
        left -= size
        price = level
        if left <= 0:
            break
    return price


def _price(state: EngineState, instrument: Instrument, side: str, ord_type: str, params: Params) -> Decimal | None:
    if ord_type in ("market", "optimal_limit_ioc"):
        return None
    px = number(params, "px")
    if px is None or px <= 0 or not is_multiple(px, instrument.tick):
        raise bad_parameter("px")
    high, low = state.price_limits(instrument.inst_id)
    beyond = px > high if side == "buy" else px < low
    if beyond and word(params, "pxAmendType") == "1":
        return high if side == "buy" else low
    if beyond:
        raise OkxError("51006", f"{high:f}", f"{low:f}")
    return px


def _reducible(account: Account, inst_id: str, mode: str, pos_side: str, side: str) -> Decimal:
    position = account.position(inst_id, mode, pos_side)
    if position is None:
        raise OkxError("51169")
    if pos_side == "net" and (position.contracts > 0) == (side == "buy"):
        raise OkxError("51170")
    return position.size


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
    found = []
    for item in items:
        cl_id = client_id(item, "attachAlgoClOrdId")
        legs = {leg: read_leg(instrument, item, leg) for leg in ("tp", "sl")}
        if legs["tp"][0] is None and legs["sl"][0] is None:
            raise OkxError("50015", "tpTriggerPx", "slTriggerPx")
        _check_attached(state.quotes[instrument.inst_id], side, px, legs["tp"][0], legs["sl"][0])
        if cl_id and account.algo_by_cl_id.get(cl_id) in account.open_algos:
            raise OkxError("51065")
        sz = number(item, "sz")
        if sz is not None:
            check_size(instrument, sz, False)
        found.append(
            Attached(state.next_id(), cl_id, *legs["tp"], *legs["sl"], sz, word(item, "amendPxOnTriggerType") or "0")
        )
    return found


def read_leg(instrument: Instrument, params: Params, leg: str) -> tuple[Decimal | None, Decimal | None, str]:
    """Trigger price, order price and trigger type of one leg. Both prices or neither."""
    trigger, order_px = number(params, f"{leg}TriggerPx"), number(params, f"{leg}OrdPx")
    kind = word(params, f"{leg}TriggerPxType") or "last"
    if kind not in ("last", "mark", "index"):
        raise bad_parameter(f"{leg}TriggerPxType")
    if trigger is None and order_px is None:
        return None, None, kind
    if trigger is None or order_px is None:
        raise OkxError("50014", f"{leg}OrdPx" if order_px is None else f"{leg}TriggerPx")
    if trigger <= 0 or not is_multiple(trigger, instrument.tick):
        raise bad_parameter(f"{leg}TriggerPx")
    check_order_price(order_px, instrument.tick, f"{leg}OrdPx")
    return trigger, order_px, kind


def check_order_price(price: Decimal, tick: Decimal, name: str) -> None:
    """What a trigger sends: -1 for market, or a price on the tick grid."""
    if price != MARKET_PRICE and (price <= 0 or not is_multiple(price, tick)):
        raise bad_parameter(name)


def _check_attached(quote: Quote, side: str, px: Decimal | None, tp: Decimal | None, sl: Decimal | None) -> None:
    buying = side == "buy"
    against = px if px is not None else (quote.ask if buying else quote.bid)
    codes = ("51046", "51047", "51048", "51049") if px is not None else ("51050", "51051", "51052", "51053")
    if tp is not None and (tp <= against if buying else tp >= against):
        raise OkxError(codes[0] if buying else codes[2])
    if sl is not None and (sl >= against if buying else sl <= against):
        raise OkxError(codes[1] if buying else codes[3])


def find(account: Account, params: Params) -> Order | None:
    """The order a request names; ordId wins over clOrdId."""
    ord_id, cl_id = word(params, "ordId"), word(params, "clOrdId")
    if not ord_id and not cl_id:
        raise OkxError("51003")
    if not ord_id:
        ord_id = account.order_by_cl_id.get(cl_id, "")
    order = account.orders.get(ord_id)
    if order is not None and word(params, "instId") not in ("", order.inst_id):
        return None
    return order


def cancel_on_request(state: EngineState, account: Account, params: Params) -> Order:
    """Cancel an open order. Raises 51400 when it is no longer open or never was."""
    order = find(account, params)
    if order is None or not order.is_open:
        raise OkxError("51400")
    cancel(state, account, order, "1")
    return order


def amend(state: EngineState, account: Account, params: Params) -> Order:
    """Change size or price of a resting order; a size at or under what is filled completes it."""
    order = find(account, params)
    if order is None:
        raise OkxError("51603")
    if not order.is_open:
        raise OkxError("51503")
    if order.ord_type in TAKER_TYPES:
        raise OkxError("51506")
    instrument = state.instruments[order.inst_id]
    new_sz, new_px = number(params, "newSz"), number(params, "newPx")
    items = params.get("attachAlgoOrds") or []
    if new_sz is None and new_px is None and not items:
        raise OkxError("51500")
    was = (order.sz, order.px, order.frozen)
    if new_sz is not None:
        order.sz = max(order.filled, check_size(instrument, new_sz, False))
    if new_px is not None:
        order.px = _price(state, instrument, order.side, order.ord_type, {"px": new_px})
    order.frozen = ZERO
    needed = required_margin(state, account, order)
    if needed > state.balance(account).available:
        order.sz, order.px, order.frozen = was
        raise OkxError("51008", "USDT")
    order.frozen = needed
    if isinstance(items, list):
        amend_attached(instrument, order, items)
    order.amend_source, order.amend_result, order.req_id = "1", "0", word(params, "reqId")
    if order.remaining == 0:
        state.end_order(account, order, "filled")
    state.order_changed(account, order)
    if order.is_open:
        arrive(state, account, order)
    return order


def amend_attached(instrument: Instrument, order: Order, items: list[object]) -> None:
    """Move triggers of stops still attached to a resting order."""
    for item in items:
        if not isinstance(item, dict):
            raise bad_parameter("attachAlgoOrds")
        named = {word(item, "attachAlgoId"), word(item, "attachAlgoClOrdId")} - {""}
        target = next((a for a in order.attached if named & {a.attach_id, a.attach_cl_id}), None)
        if target is None:
            raise OkxError("51527")
        for leg, name in (("tp", "newTpTriggerPx"), ("sl", "newSlTriggerPx")):
            price = number(item, name)
            if price is not None:
                if price <= 0 or not is_multiple(price, instrument.tick):
                    raise bad_parameter(name)
                setattr(target, f"{leg}_trigger", price)
                if getattr(target, f"{leg}_order") is None:
                    setattr(target, f"{leg}_order", MARKET_PRICE)
