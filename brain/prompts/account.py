"""The account as text: money, positions as they are now, the plans they were opened with, closed trades.

Plans and trades change rarely and positions all the time; therefore they are apart.
"""

import json
from decimal import Decimal

from brain.analyst import DecisionRequest, RecentTrade
from brain.prompts.figures import UNKNOWN, age, distance, moment, price, share, usdt
from trading.invalidation import describe
from trading.snapshot import MarketSnapshot, PositionView


def account(request: DecisionRequest) -> str:
    """Equity, margin and what the gate counts of the past."""
    account, past, inst_id = request.account, request.history, request.market.inst_id
    equity, baseline, peak = account.equity, account.day_baseline, account.peak_equity
    day = None if equity is None or baseline is None else equity - baseline
    fall = None if equity is None or peak is None else equity - peak
    margin = None if account.positions is None else sum((p.margin for p in account.positions), Decimal(0))
    exits = past.last_exit_at
    exit_here = UNKNOWN if exits is None else moment(exits[inst_id]) if inst_id in exits else "none in the last day"
    pending = account.open_intents
    under_way = (
        UNKNOWN if pending is None else ", ".join(f"{i.inst_id} {i.side} ({i.state})" for i in pending) or "none"
    )
    losses, entries = past.consecutive_losses, past.entries_last_hour
    return "\n".join(
        [
            f"Equity {usdt(equity)}, available {usdt(account.available)}",
            f"Since 00:00 UTC {usdt(day)} ({share(day, baseline)}); from the peak {share(fall, peak)}",
            f"Margin in use {usdt(margin)} ({share(margin, equity)} of equity); "
            f"leverage here {price(account.leverage.get(inst_id))}",
            f"Losses in a row {UNKNOWN if losses is None else losses}; "
            f"entries in the last hour {UNKNOWN if entries is None else entries}; "
            f"last exit here {exit_here}"
            + (f"; no entries before {moment(past.cooldown_until)}" if past.cooldown_until else ""),
            f"Entries under way: {under_way}",
        ]
    )


def positions(request: DecisionRequest) -> str:
    """Each open position as it stands."""
    held = _held(request)
    if held is None:
        return f"{UNKNOWN.capitalize()}."
    return "\n".join(_position(p, request.market) for p in held) or "None."


def plans(request: DecisionRequest) -> str:
    """Why each open position exists: the same words for as long as it is open."""
    held = _held(request)
    if held is None:
        return f"{UNKNOWN.capitalize()}."
    return "\n".join(_plan(p) for p in held) or "None."


def trades(recent: tuple[RecentTrade, ...]) -> str:
    """Closed trades, the newest first."""
    return "\n".join(_trade(t) for t in recent) or "None yet: there is no history to learn from."


def _held(request: DecisionRequest) -> list[PositionView] | None:
    found = request.account.positions
    return None if found is None else [p for p in found if p.contracts]


def _position(position: PositionView, market: MarketSnapshot) -> str:
    frame = market.frames.get("1H") if position.inst_id == market.inst_id else None
    atr = frame.atr14 if frame else None
    direction = "long" if position.contracts > 0 else "short"
    mark, plan = position.mark_px, position.plan
    held = "" if plan is None else f", held {age(market.market_at - plan.opened_at)}"
    return (
        f"- {position.inst_id} {direction} {price(abs(position.contracts))} contracts at {price(position.avg_px)}"
        f"{held}, mark {price(mark)}, leverage {price(position.leverage)}, margin {usdt(position.margin)}, "
        f"unrealised {usdt(position.upl)} ({share(position.upl, position.margin)} of margin)\n"
        f"  stop {price(position.stop_px)} ({distance(position.stop_px, mark, atr)}), "
        f"target {price(position.target_px)} ({distance(position.target_px, mark, atr)})"
        + ("; ATR of 1H" if atr else "")
    )


def _plan(position: PositionView) -> str:
    plan = position.plan
    if plan is None:
        return f"- {position.inst_id}: unknown"
    condition = describe(plan.invalidation) if plan.invalidation else "none"
    return (
        f"- {position.inst_id}, {plan.strategy}, opened {moment(plan.opened_at)}: entry {price(plan.entry)}, "
        f"stop {price(plan.stop_loss)}, target {price(plan.take_profit)}, confidence {price(plan.confidence)}; "
        f"invalid when {condition}; reasoning then: {json.dumps(plan.reasoning, ensure_ascii=False)}"
    )


def _trade(trade: RecentTrade) -> str:
    multiple = UNKNOWN if trade.r_multiple is None else f"{trade.r_multiple:+.2f} R"
    held = age(trade.closed_at - trade.opened_at)
    return (
        f"- #{trade.trade_id} {trade.inst_id} {trade.direction} {trade.strategy}, closed {moment(trade.closed_at)} "
        f"after {held}: {usdt(trade.pnl)}, {multiple}, by {trade.exit_reason}"
    )
