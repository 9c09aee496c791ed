"""Requests about positions: close at market, leverage, position mode, isolated margin."""

from decimal import Decimal

from paper.engine.account import Account, Bill
from paper.engine.limits import most_contracts
from paper.engine.matching import cancel
from paper.engine.order import Order
from paper.engine.orders import check_unused, enter
from paper.engine.params import Params, client_id, flag, margin_mode, number, position_side, tag_of, word
from paper.engine.state import EngineState
from paper.errors import OkxError, bad_parameter
from paper.numbers import money


def close_position(state: EngineState, account: Account, params: Params) -> Order:
    """Close a whole position at market. Raises 51023 without one, 51115 with closing orders pending."""
    instrument = state.instrument(word(params, "instId"))
    mode = margin_mode(params, "mgnMode")
    pos_side = position_side(account, params)
    position = account.position(instrument.inst_id, mode, pos_side)
    if position is None:
        raise OkxError("51023")
    cl_id = client_id(params, "clOrdId")
    check_unused(state, account, cl_id)
    pending = [
        order
        for order in account.open_orders.values()
        if (order.inst_id, order.td_mode, order.pos_side) == (instrument.inst_id, mode, pos_side)
        and order.direction == -position.sign
    ]
    if pending and not flag(params, "autoCxl"):
        raise OkxError("51115")
    for order in pending:
        cancel(state, account, order, "1")
    side = "sell" if position.contracts > 0 else "buy"
    order = Order(
        state.next_id(), cl_id, tag_of(params), instrument.inst_id, mode, side, pos_side, "market",
        position.size, None, True, position.lever, state.now_ms, state.now_ms,
    )  # fmt: skip
    if cl_id:
        account.order_by_cl_id[cl_id] = order.ord_id
        account.accepted[cl_id] = account.accepted.get(cl_id, 0) + 1
    enter(state, account, order)
    return order


def set_leverage(state: EngineState, account: Account, params: Params) -> tuple[str, str, str, Decimal]:
    """Set leverage; an open position is re-margined. Returns instrument, mode, position side, leverage."""
    instrument = state.instrument(word(params, "instId"))
    mode, lever = margin_mode(params, "mgnMode"), number(params, "lever")
    if lever is None:
        raise bad_parameter("lever")
    if lever < 1:
        raise OkxError("59105", "1")
    if lever > instrument.max_lever:
        raise OkxError("59102")
    hedge = account.pos_mode == "long_short_mode" and mode == "isolated"
    pos_side = position_side(account, params) if hedge else "net"
    key = (instrument.inst_id, mode, pos_side)
    if account.lever(*key) != lever:
        _check_nothing_pending(account, instrument.inst_id, mode)
        position = account.positions.get(key)
        if position is not None and position.contracts != 0:
            if position.size > most_contracts(instrument, lever):
                raise OkxError("59102")
            if mode == "cross":
                value = position.notional(instrument, state.quotes[instrument.inst_id].mark)
                if value / lever - value / position.lever > state.balance(account).available:
                    raise OkxError("59109")
            else:
                wanted = money(instrument.coins(position.size) * position.avg_px / lever)
                needed = wanted - position.margin
                if needed > state.balance(account).available:
                    raise OkxError("59109")
                account.cash -= needed
                position.margin = wanted
                state.bill(
                    account,
                    Bill(
                        state.next_id(), "6", "160" if needed > 0 else "161", state.now_ms, -needed, account.cash,
                        needed, position.margin, abs(needed), mgn_mode=mode, inst_id=instrument.inst_id,
                    ),
                )  # fmt: skip
            position.lever = lever
            position.updated = state.now_ms
        state.balance_changed(account, "set_leverage", key)
    account.leverage[key] = lever
    return instrument.inst_id, mode, pos_side, lever


def _check_nothing_pending(account: Account, inst_id: str, mode: str) -> None:
    isolated = mode == "isolated"
    if any((o.inst_id, o.td_mode) == (inst_id, mode) for o in account.open_orders.values()):
        raise OkxError("59101" if isolated else "59107")
    if any((a.inst_id, a.td_mode) == (inst_id, mode) for a in account.open_algos.values()):
        raise OkxError("59668" if isolated else "59669")


def set_position_mode(state: EngineState, account: Account, params: Params) -> str:
    """Net or long/short mode; refused (59000) while anything is open."""
    mode = word(params, "posMode")
    if mode not in ("net_mode", "long_short_mode"):
        raise bad_parameter("posMode")
    busy = account.open_orders or account.open_algos or any(account.open_positions())
    if mode != account.pos_mode and busy:
        raise OkxError("59000")
    account.pos_mode = mode
    return mode


def adjust_margin(state: EngineState, account: Account, params: Params) -> tuple[str, str, str, Decimal, Decimal]:
    """Add margin to or take it from an isolated position. Returns instrument, side, type, amount, real leverage."""
    instrument = state.instrument(word(params, "instId"))
    kind, amount = word(params, "type"), number(params, "amt")
    if kind not in ("add", "reduce"):
        raise bad_parameter("type")
    if amount is None or amount <= 0:
        raise bad_parameter("amt")
    pos_side = position_side(account, params)
    position = account.position(instrument.inst_id, "isolated", pos_side)
    if position is None:
        raise OkxError("59300")
    amount = money(amount)
    if kind == "add":
        if amount > state.balance(account).available:
            raise OkxError("59301")
        change = amount
    else:
        least = instrument.coins(position.size) * position.avg_px / position.lever
        if position.margin - amount < least:
            raise OkxError("59301")
        change = -amount
    account.cash -= change
    position.margin += change
    position.updated = state.now_ms
    state.bill(
        account,
        Bill(
            state.next_id(), "6", "160" if change > 0 else "161", state.now_ms, -change, account.cash, change,
            position.margin, amount, mgn_mode="isolated", inst_id=instrument.inst_id,
        ),
    )  # fmt: skip
    state.balance_changed(account, "adjust_margin", (instrument.inst_id, "isolated", pos_side))
    value = instrument.coins(position.size) * position.avg_px
    leverage = (value / position.margin).quantize(Decimal("0.01")) if position.margin else position.lever
    return instrument.inst_id, pos_side, kind, amount, leverage
