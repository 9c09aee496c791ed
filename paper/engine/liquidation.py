"""Liquidation: an isolated position, or all cross positions, once the margin ratio is down to 100 %.

Simplified against OKX: always the whole position at once. An isolated position loses exactly its margin (what is
left after closing at the bankruptcy price is the penalty); a cross loss beyond the cash is covered by the
insurance fund.
"""

from decimal import Decimal

from paper.engine.account import Account, Bill
from paper.engine.matching import cancel
from paper.engine.order import Order
from paper.engine.position import Position
from paper.engine.settlement import book_fill
from paper.engine.state import EngineState
from paper.numbers import ONE, ZERO


def liquidate(state: EngineState, inst_id: str) -> None:
    """Check every account that holds the instrument."""
    instrument, mark = state.instruments[inst_id], state.quotes[inst_id].mark
    for account in state.accounts.values():
        held = [p for p in account.open_positions() if p.inst_id == inst_id]
        for position in held:
            if position.mgn_mode == "isolated":
                ratio = position.margin_ratio(instrument, mark, state.rules.taker)
                if ratio is not None and ratio <= ONE:
                    _isolated(state, account, position)
        if any(position.mgn_mode == "cross" for position in held):
            cross = state.balance(account).margin_ratio
            if cross is not None and cross <= ONE:
                _cross(state, account)


def _order(state: EngineState, account: Account, position: Position) -> Order:
    side = "sell" if position.contracts > 0 else "buy"
    order = Order(
        state.next_id(), "", "", position.inst_id, position.mgn_mode, side, position.pos_side, "market",
        position.size, None, True, position.lever, state.now_ms, state.now_ms, category="full_liquidation",
    )  # fmt: skip
    account.orders[order.ord_id] = account.open_orders[order.ord_id] = order
    state.order_changed(account, order)
    return order


def _isolated(state: EngineState, account: Account, position: Position) -> None:
    key = (position.inst_id, position.mgn_mode, position.pos_side)
    for order in list(account.open_orders.values()):
        if (order.inst_id, order.td_mode, order.pos_side) == key:
            cancel(state, account, order, "3")
    instrument = state.instruments[position.inst_id]
    margin, coins, rate = position.margin, instrument.coins(position.size), state.rules.taker
    if position.contracts > 0:
        price = (coins * position.avg_px - margin) / (coins * (1 - rate))
    else:
        price = (coins * position.avg_px + margin) / (coins * (1 + rate))
    price = max(instrument.tick, price.quantize(instrument.tick))
    order = _order(state, account, position)
    fill = book_fill(state, account, order, price, position.size, "T")
    _retouch_bill(account)
    left = margin + fill.pnl + fill.fee
    # The price is on the tick grid, so a crumb of the margin is left over or short: the penalty evens it out.
    account.cash -= left
    account.totals.pnl -= left
    account.position_history[-1].liq_penalty -= left
    account.position_history[-1].close_type = "3"
    state.bill(
        account,
        Bill(
            state.next_id(), "5", "104" if order.side == "sell" else "105", state.now_ms, -left, account.cash,
            sz=ZERO, px=price, pnl=-left, mgn_mode="isolated", inst_id=position.inst_id, ord_id=order.ord_id,
        ),
    )  # fmt: skip
    state.balance_changed(account, "liquidation", key, fill.trade_id)


def _cross(state: EngineState, account: Account) -> None:
    for order in list(account.open_orders.values()):
        if order.td_mode == "cross":
            cancel(state, account, order, "3")
    for position in list(account.open_positions()):
        if position.mgn_mode != "cross":
            continue
        key = (position.inst_id, position.mgn_mode, position.pos_side)
        order = _order(state, account, position)
        fill = book_fill(state, account, order, state.quotes[position.inst_id].mark, position.size, "T")
        _retouch_bill(account)
        account.position_history[-1].close_type = "3"
        state.balance_changed(account, "liquidation", key, fill.trade_id)
    if account.cash < 0:
        covered: Decimal = -account.cash
        account.cash = ZERO
        account.totals.insurance += covered
        state.bill(
            account, Bill(state.next_id(), "5", "106", state.now_ms, covered, ZERO, pnl=covered, mgn_mode="cross")
        )
        state.balance_changed(account, "liquidation")


def _retouch_bill(account: Account) -> None:
    """The fill's bill is one of type liquidation; liquidation trades carry negative trade ids."""
    bill, fill = account.bills[-1], account.fills[-1]
    bill.type = "5"
    bill.trade_id = fill.trade_id = f"-{fill.trade_id}"
