"""/status: what the bot is doing, and the last decision with its reason."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import BotState, DecisionCycle, LlmCall, Order, Position, ScreenerLog
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import (
    UNKNOWN,
    bold,
    clock_time,
    coin,
    day_time,
    escaped,
    money,
    pairs,
    percent,
    plural,
    signed,
)
from trading.clock import ClockUnavailable
from trading.orders import OrderState


def status(desk: Desk, _request: Request) -> Answer:
    """State, money, freshness, spend."""
    ctx = desk.ctx
    ages = desk.present.feed_ages(desk.settings.instruments)
    now = market_now(desk)
    with ctx.sessions() as session:
        state = session.get_one(BotState, ctx.account_id)
        opened = session.scalar(
            select(func.count()).select_from(Position)
            .where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ) or 0  # fmt: skip
        unknown = session.scalar(
            select(func.count()).select_from(Order)
            .where(Order.account_id == ctx.account_id, Order.state == OrderState.UNKNOWN)
        ) or 0  # fmt: skip
        spent = spent_today(session, ctx.account_id, ctx.clock.wall_now())
        screened = _screened(session, ctx.account_id, ctx.clock.wall_now())
        last = session.scalars(
            select(DecisionCycle)
            .where(DecisionCycle.account_id == ctx.account_id, DecisionCycle.outcome.is_not(None))
            .order_by(DecisionCycle.slot.desc(), DecisionCycle.id.desc())
            .limit(1)
        ).one_or_none()
    budget = desk.settings.llm_daily_budget_usd
    rows = [
        ("Market time", day_time(now, desk.zone)),
        ("Equity, USDT", money(state.equity)),
        ("Today", _today(state)),
        ("Drawdown", percent(drawdown(state))),
        ("Open positions", str(opened)),
        ("Losses in a row", str(state.consecutive_losses)),
        ("Screener lets pass, 24 h", screened),
        ("Models today, USD", f"{money(spent)} of {money(budget)}"),
        ("Oldest feed", _freshness(ages)),
    ]
    blocks = [f"{_head(state)}\n{escaped(desk.settings.trading_mode)} · {_analyst(desk)}", pairs(rows)]
    if unknown:
        blocks.append(f"⚠️ {plural(unknown, 'order')} of unknown outcome; the resolver is looking.")
    if not state.halted and state.state == "running" and state.reconciled_at is None:
        blocks.append("No entries yet: waiting for the first reconciliation with the exchange.")
    if last is not None:
        outcome = last.outcome or ""
        action = (last.decision or {}).get("action") or outcome.upper()
        became = "" if action.lower() == outcome else f" → {escaped(outcome)}"
        blocks.append(
            f"Last: {bold(coin(last.inst_id))} {clock_time(last.slot, desk.zone)} {escaped(action)}{became}\n"
            f"{escaped(last.reason or 'no reason stored', 400)}\n/why {last.id}"
        )
    return Answer(tuple(blocks))


def market_now(desk: Desk) -> datetime | None:
    """Market time, None while the exchange's clock does not answer."""
    try:
        return desk.ctx.clock.market_now()
    except ClockUnavailable:
        return None


def drawdown(state: BotState) -> Decimal | None:
    """Fall from the equity peak, %."""
    if state.equity is None or not state.peak_equity:
        return None
    return max(Decimal(0), (state.peak_equity - state.equity) / state.peak_equity * 100)


def spent_today(session: Session, account_id: int, wall_now: datetime) -> Decimal:
    """USD spent or reserved for models since 00:00 UTC, wall time."""
    midnight = wall_now.replace(hour=0, minute=0, second=0, microsecond=0)
    total = session.scalar(
        select(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd))).where(
            LlmCall.account_id == account_id, LlmCall.created_at >= midnight
        )
    )
    return Decimal(total or 0)


def _head(state: BotState) -> str:
    if state.halted:
        return f"🛑 {bold('HALTED')} ({escaped(state.halt_kind)}): {escaped(state.halt_reason)}"
    mark = {"running": "🟢", "stopped": "⚪"}.get(state.state, "🟡")
    return f"{mark} {bold(state.state.capitalize())}"


def _analyst(desk: Desk) -> str:
    return "Claude decides" if desk.settings.analyst_in_use == "claude" else "built-in rules decide (no model)"


def _today(state: BotState) -> str:
    if state.equity is None or not state.day_baseline:
        return UNKNOWN
    change = state.equity - state.day_baseline
    return f"{signed(change)} ({percent(change / state.day_baseline * 100, sign=True)})"


def _screened(session: Session, account_id: int, wall_now: datetime) -> str:
    asked, passed = session.execute(
        select(func.count(), func.count().filter(ScreenerLog.passed)).where(
            ScreenerLog.account_id == account_id,
            ScreenerLog.created_at > wall_now - timedelta(hours=24),
            ScreenerLog.bypass.is_(None),
        )
    ).one()
    return f"{passed} of {asked}" if asked else "nobody asked"


def _freshness(ages: dict[str, float] | None) -> str:
    if ages is None:
        return "unknown, no Redis"
    if not ages:
        return "no feed spoke yet"
    channel, age = max(ages.items(), key=lambda item: item[1])
    return f"{age:.1f} s ({channel})"
