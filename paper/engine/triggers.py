"""Algo orders firing as prices move: each sends its order once, or ends as failed with the reason."""

from decimal import Decimal

from paper.engine.account import Account
from paper.engine.algo import Algo
from paper.engine.limits import required_margin
from paper.engine.order import Order
from paper.engine.orders import enter
from paper.engine.params import MARKET_PRICE
from paper.engine.state import EngineState
from paper.numbers import ZERO

_SOURCE = {"trigger": "6", "move_order_stop": "25"}


def fire_triggers(state: EngineState, inst_id: str) -> None:
    """Fire the algos of an instrument whose price has come, oldest first within each account."""
    quote = state.quotes[inst_id]
    for account in state.accounts.values():
        if not account.open_algos:
            continue
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
        account.lever(algo.inst_id, algo.td_mode, algo.pos_side), state.now_ms, state.now_ms, list(algo.attached),
        source=_SOURCE.get(algo.ord_type, "7"), algo_id=algo.algo_id, algo_cl_ord_id=algo.algo_cl_ord_id,
    )  # fmt: skip
    order.frozen = required_margin(state, account, order)
    if order.frozen and order.frozen > state.balance(account).available:
        algo.fail_code = "51008"
        state.end_algo(account, algo, "order_failed")
        return
    algo.ord_ids, algo.actual_sz = [order.ord_id], sz
    algo.actual_px = None if market else order_px
    state.end_algo(account, algo, "effective")
    enter(state, account, order)
    algo.actual_px = order.avg_px if market else order_px
