"""Liquidation, once the margin ratio at mark is down to 100 %: tier by tier, then whole.

A position above the first tier is first cut to the size of the tier below, whose maintenance rate is lower, at
mark (or at its bankruptcy price, where that is better). Only what is still under 100 % in the first tier is closed
whole. An isolated position then goes at its bankruptcy price and loses exactly its margin: what is left after
closing is the penalty, what is short is the insurance fund's. A cross loss beyond the cash is the fund's, too.
"""

from decimal import Decimal

from paper.engine.account import Account, Bill
from paper.engine.matching import cancel
from paper.engine.order import Fill, Order
from paper.engine.position import Position
from paper.engine.settlement import book_fill
from paper.engine.state import EngineState
from paper.numbers import ONE, ZERO


def liquidate(state: EngineState, inst_id: str) -> None:
    """Check every account that holds the instrument."""
    for account in state.accounts.values():
        held = [p for p in account.open_positions() if p.inst_id == inst_id]
        for position in held:
            if position.mgn_mode == "isolated" and _isolated_due(state, position):
                _isolated(state, account, position)
        if any(position.mgn_mode == "cross" for position in held) and _cross_due(state, account):
            _cross(state, account)


def _isolated_due(state: EngineState, position: Position) -> bool:
    instrument, mark = state.instruments[position.inst_id], state.quotes[position.inst_id].mark
    ratio = position.margin_ratio(instrument, mark, state.rules.taker)
    return ratio is not None and ratio <= ONE


def _cross_due(state: EngineState, account: Account) -> bool:
    ratio = state.balance(account).margin_ratio
    return ratio is not None and ratio <= ONE


def bankruptcy_price(state: EngineState, position: Position) -> Decimal:
    """Price at which closing an isolated position with a taker fee uses up its margin, on the tick grid."""
    instrument, rate = state.instruments[position.inst_id], state.rules.taker
    coins = instrument.coins(position.size)
    if position.contracts > 0:
        price = (coins * position.avg_px - position.margin) / (coins * (1 - rate))
    else:
        price = (coins * position.avg_px + position.margin) / (coins * (1 + rate))
    return max(instrument.tick, price.quantize(instrument.tick))


def _isolated(state: EngineState, account: Account, position: Position) -> None:
    key = (position.inst_id, position.mgn_mode, position.pos_side)
    for order in list(account.open_orders.values()):
        if (order.inst_id, order.td_mode, order.pos_side) == key:
            cancel(state, account, order, "3")
    while _isolated_due(state, position):
        excess = _above_lower_tier(state, position)
        if not excess:
            break
        mark, worst = state.quotes[position.inst_id].mark, bankruptcy_price(state, position)
        price = max(mark, worst) if position.contracts > 0 else min(mark, worst)
        _close(state, account, position, excess, price)
    if not _isolated_due(state, position):
        return
    margin, price = position.margin, bankruptcy_price(state, position)
    fill = _close(state, account, position, position.size, price)
    left = margin + fill.pnl + fill.fee
    # The price is on the tick grid, so a crumb of the margin is left over or short: the penalty evens it out.
    account.cash -= left
    account.totals.pnl -= left
    account.position_history[-1].liq_penalty -= left
    state.bill(
        account,
        Bill(
            state.next_id(), "5", fill.sub_type, state.now_ms, -left, account.cash, sz=ZERO, px=price, pnl=-left,
            mgn_mode="isolated", inst_id=position.inst_id, ord_id=fill.ord_id,
        ),
    )  # fmt: skip
    state.balance_changed(account, "liquidation", key, fill.trade_id)


def _cross(state: EngineState, account: Account) -> None:
    for order in list(account.open_orders.values()):
        if order.td_mode == "cross":
            cancel(state, account, order, "3")
    while _cross_due(state, account):
        held = [p for p in account.open_positions() if p.mgn_mode == "cross"]
        cuts = [(p, excess) for p in held if (excess := _above_lower_tier(state, p))]
        for position, excess in cuts or [(p, p.size) for p in held]:
            _close(state, account, position, excess, state.quotes[position.inst_id].mark)
    if account.cash < 0 and not any(p.mgn_mode == "cross" for p in account.open_positions()):
        covered: Decimal = -account.cash
        account.cash = ZERO
        account.totals.insurance += covered
        state.bill(
            account, Bill(state.next_id(), "5", "106", state.now_ms, covered, ZERO, pnl=covered, mgn_mode="cross")
        )
        state.balance_changed(account, "liquidation")


def _above_lower_tier(state: EngineState, position: Position) -> Decimal:
    """Contracts by which a position exceeds the tier below its own; nothing in the first tier."""
    instrument = state.instruments[position.inst_id]
    number = instrument.tier_of(position.size).number
    if number == 1:
        return ZERO
    return max(ZERO, position.size - instrument.tiers[number - 2].max_sz)


def _close(state: EngineState, account: Account, position: Position, sz: Decimal, price: Decimal) -> Fill:
    """Close `sz` contracts at `price` as a liquidation: its own category, bill type and a negative trade id."""
    whole = sz == position.size
    key = (position.inst_id, position.mgn_mode, position.pos_side)
    order = Order(
        state.next_id(), "", "", position.inst_id, position.mgn_mode, "sell" if position.contracts > 0 else "buy",
        position.pos_side, "market", sz, None, True, position.lever, state.now_ms, state.now_ms,
        category="full_liquidation" if whole else "partial_liquidation",
    )  # fmt: skip
    account.orders[order.ord_id] = account.open_orders[order.ord_id] = order
    state.order_changed(account, order)
    fill = book_fill(state, account, order, price, sz, "T", f"-{state.next_trade_id(position.inst_id)}")
    account.bills[-1].type = "5"
    if whole:
        account.position_history[-1].close_type = "3"
    else:
        position.close_type = "4"
    state.balance_changed(account, "liquidation", key, fill.trade_id)
    return fill
