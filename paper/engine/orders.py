"""Orders on request: place, cancel, find. Raises `OkxError` with OKX's code when a request is refused."""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.attached import read_attached
from paper.engine.limits import check_position_limit, required_margin
from paper.engine.matching import arrive, cancel
from paper.engine.order import ORDER_TYPES, Order
from paper.engine.params import (
    Params,
    check_size,
    client_id,
    closes,
    flag,
    number,
    tag_of,
    trade_mode,
    word,
)
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import ZERO, is_multiple

MAX_OPEN = 4000
MAX_OPEN_PER_INSTRUMENT = 500
STP_MODES = ("cancel_maker", "cancel_taker", "cancel_both")


def place(state: EngineState, account: Account, params: Params) -> Order:
    """Accept an order and let it meet the book. The order's events are in the state when this returns."""
    order = read_order(state, account, params)
    if order.cl_ord_id:
        account.order_by_cl_id[order.cl_ord_id] = order.ord_id
        account.accepted[order.cl_ord_id] = account.accepted.get(order.cl_ord_id, 0) + 1
    enter(state, account, order)
    return order


def read_order(state: EngineState, account: Account, params: Params) -> Order:
    """The order a request asks for, checked against everything that could refuse it; nothing is recorded yet."""
    instrument, mode, side, pos_side = trade_mode(state, account, params)
    ord_type = word(params, "ordType")
    if ord_type not in ORDER_TYPES:
        raise bad_parameter("ordType")
    cl_id = client_id(params, "clOrdId")
    check_unused(state, account, cl_id)
    tag = tag_of(params)
    stp_mode = word(params, "stpMode") or "cancel_maker"
    if stp_mode not in STP_MODES:
        raise bad_parameter("stpMode")
    sz = check_size(instrument, number(params, "sz"), ord_type in ("market", "optimal_limit_ioc"))
    px = read_price(state, instrument, side, ord_type, params)
    reduce_only = (flag(params, "reduceOnly") and pos_side == "net") or closes(side, pos_side)
    attached = read_attached(state, account, instrument, side, px, params, reduce_only)
    if attached and ord_type == "fok" and not state.rules.fok_attached_stops:
        raise OkxError("51000", message="Parameter attachAlgoOrds  error")
    _check_room(account, instrument.inst_id)
    amend_source = ""
    if reduce_only:
        held = _reducible(account, instrument.inst_id, mode, pos_side, side)
        if sz > held and pos_side != "net":
            raise OkxError("51112")
        if sz > held:
            sz, amend_source = held, "3"
    order = Order(
        state.next_id(), cl_id, tag, instrument.inst_id, mode, side, pos_side, ord_type, sz, px, reduce_only,
        account.lever(instrument.inst_id, mode, pos_side), state.now_ms, state.now_ms, attached,
        amend_source=amend_source, stp_mode=stp_mode,
    )  # fmt: skip
    check_position_limit(account, instrument, order)
    order.frozen = required_margin(state, account, order)
    if order.frozen and order.frozen > state.balance(account).available:
        raise OkxError("51008", "USDT")
    return order


def check_unused(state: EngineState, account: Account, cl_id: str) -> None:
    """A client order id must be unique among open orders, not for ever."""
    if cl_id and account.order_by_cl_id.get(cl_id) in account.open_orders:
        code = state.rules.duplicate_cl_ord_id
        raise OkxError(code) if code == "51016" else OkxError(code, "clOrdId")


def _check_room(account: Account, inst_id: str) -> None:
    if len(account.open_orders) >= MAX_OPEN:
        raise OkxError("51103", str(MAX_OPEN))
    if len(account.open_orders) >= MAX_OPEN_PER_INSTRUMENT:
        pending = sum(order.inst_id == inst_id for order in account.open_orders.values())
        if pending >= MAX_OPEN_PER_INSTRUMENT:
            raise OkxError("51102", str(MAX_OPEN_PER_INSTRUMENT))


def enter(state: EngineState, account: Account, order: Order) -> None:
    """Record an accepted order, report it live, let it trade."""
    account.orders[order.ord_id] = account.open_orders[order.ord_id] = order
    state.order_changed(account, order)
    arrive(state, account, order)


def read_price(state: EngineState, instrument: Instrument, side: str, ord_type: str, params: Params) -> Decimal | None:
    """The limit price, within the band (or moved into it with pxAmendType 1); None where the type has none."""
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
    """Contracts still free to be closed: in long/short mode what pending closing orders do not claim already."""
    position = account.position(inst_id, mode, pos_side)
    if position is None:
        raise OkxError("51169")
    if pos_side == "net":
        if (position.contracts > 0) == (side == "buy"):
            raise OkxError("51170")
        return position.size
    return available_to_close(account, inst_id, mode, pos_side)


def available_to_close(account: Account, inst_id: str, mode: str, pos_side: str) -> Decimal:
    """Position size less the closing orders that already rest against it."""
    position = account.position(inst_id, mode, pos_side)
    if position is None:
        return ZERO
    claimed = sum(
        (o.remaining for o in account.open_orders.values()
         if (o.inst_id, o.td_mode, o.pos_side) == (inst_id, mode, pos_side) and o.reduce_only
         and o.direction == -position.sign),
        ZERO,
    )  # fmt: skip
    return max(ZERO, position.size - claimed)


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
    state.instrument(word(params, "instId"))
    order = find(account, params)
    if order is None or not order.is_open:
        raise OkxError("51400")
    cancel(state, account, order, "1")
    return order
