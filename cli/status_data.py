"""What `okxbot status` says, as data: read from PostgreSQL, Redis and the supervisor, nothing invented.

What cannot be known is null.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cli.connection import Connection
from exchange.market_cache import MarketCache
from exchange.redis_client import build_redis
from models import BotState, BreakRow, DecisionCycle, Order, Position, ScreenerLog
from runtime.errors import OperatorError
from runtime.supervision import SupervisorClient
from runtime.unsupervised import unsupervised
from settings import AnySettings, PaperSettings
from trading.clock import ClockUnavailable, wall_now
from trading.gate.freshness import CHANNELS

LAST_CYCLES = 8
UNKNOWN_STATES = ("unknown", "submitting")


def collect_status(connection: Connection) -> dict[str, Any]:
    """The whole status, ready for JSON."""
    settings = connection.settings
    try:
        now: datetime | None = None if connection.stopped else connection.clock.market_now()
    except ClockUnavailable:
        now = None
    with connection.sessions() as session:
        state = session.get_one(BotState, connection.account_id)
        account_seen = state.equity_at
        status: dict[str, Any] = {
            "mode": settings.trading_mode,
            "analyst": settings.analyst_in_use,
            "state": "halted" if state.halted and state.state == "running" else state.state,
            "halt_reason": f"{state.halt_kind}: {state.halt_reason}" if state.halted else None,
            "now": _iso(now),
            "speed": settings.paper_speed if isinstance(settings, PaperSettings) else 1,
            **_money(state),
            "reconciled_at": _iso(state.reconciled_at),
            "reconciled_age_s": _age(state.reconciled_at),
            "invariants_checked_at": _iso(state.invariants_checked_at),
            "clock_skew_s": _number(state.clock_skew_s),
            "entries_blocked": state.entries_blocked,
            "breaks": _breaks(session, connection.account_id),
            "positions": _positions(session, connection.account_id),
            "last_cycles": _last_cycles(session, connection.account_id),
            **_counts(session, connection.account_id),
        }
    status["disk_free_mb"] = connection.plan.home.free_mb()
    if connection.stopped:
        return status | {
            "state": "stopped",
            "feed_age_s": {},
            "feed_age_by_instrument_s": {},
            "too_old": [],
            "services": {},
            "unsupervised": [],
            "urls": {},
        }
    status["feed_age_by_instrument_s"] = _feed_ages(connection)
    status["feed_age_s"] = _stalest(status["feed_age_by_instrument_s"])
    if account_seen is not None:
        status["feed_age_s"]["account"] = round((wall_now() - account_seen).total_seconds(), 2)
    status["too_old"] = _too_old(status["feed_age_s"], settings)
    status["services"] = services(connection)
    status["unsupervised"] = unsupervised(connection.plan.home, compose=settings.infrastructure == "compose")
    status["urls"] = connection.plan.urls
    if status["services"] and all(s not in ("RUNNING", "STARTING") for s in status["services"].values()):
        status["state"] = "stopped"
    return status


def services(connection: Connection) -> dict[str, str]:
    """Service → supervisor state; empty when no supervisor of this home answers."""
    try:
        return {name: s.state for name, s in SupervisorClient(connection.plan.home).states().items()}
    except OperatorError:
        return {}


def _money(state: BotState) -> dict[str, Any]:
    equity, baseline, peak = state.equity, state.day_baseline, state.peak_equity
    drawdown = None
    if equity is not None and peak:
        drawdown = max(Decimal(0), (peak - equity) / peak * 100)
    return {
        "equity": _number(equity),
        "day_pnl": _number(equity - baseline if equity is not None and baseline is not None else None),
        "drawdown": _number(drawdown and drawdown.quantize(Decimal("0.0001"))),
        "consecutive_losses": state.consecutive_losses,
        "cooldown_until": _iso(state.cooldown_until),
        "naked_seconds": _number(state.naked_seconds_total),
    }


def _positions(session: Session, account_id: int) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Position).where(Position.account_id == account_id, Position.contracts != 0).order_by(Position.inst_id)
    )
    return [
        {
            "instrument": row.inst_id,
            "side": "long" if row.contracts > 0 else "short",
            "contracts": _number(abs(row.contracts)),
            "avg_price": _number(row.avg_px),
            "mark_price": _number(row.mark_px),
            "upl": _number(row.upl),
            "stop": _number(row.stop_px),
            "take_profit": _number(row.target_px),
            "strategy": (row.plan or {}).get("strategy"),
            "opened": _iso(row.opened_market_at),
        }
        for row in rows
    ]


def _breaks(session: Session, account_id: int) -> list[dict[str, Any]]:
    """Differences and broken invariants that last; suspicions within their grace are not shown."""
    rows = session.scalars(
        select(BreakRow)
        .where(BreakRow.account_id == account_id, BreakRow.resolved_at.is_(None), BreakRow.confirmed_at.is_not(None))
        .order_by(BreakRow.id)
    )
    return [
        {
            "name": row.name,
            "found_by": row.source,
            "instrument": row.inst_id or None,
            "detail": row.detail,
            "since": _iso(row.first_seen_at),
        }
        for row in rows
    ]


def _last_cycles(session: Session, account_id: int) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(DecisionCycle)
        .where(DecisionCycle.account_id == account_id)
        .order_by(DecisionCycle.slot.desc(), DecisionCycle.id.desc())
        .limit(LAST_CYCLES)
    )
    return [cycle_line(row) for row in rows]


def cycle_line(row: DecisionCycle) -> dict[str, Any]:
    """One cycle in one line."""
    return {
        "id": row.id,
        "instrument": row.inst_id,
        "slot": _iso(row.slot),
        "stage": row.stage,
        "action": (row.decision or {}).get("action"),
        "outcome": row.outcome,
        "reason": row.reason,
    }


def _counts(session: Session, account_id: int) -> dict[str, Any]:
    orders = dict(
        session.execute(select(Order.state, func.count()).where(Order.account_id == account_id).group_by(Order.state))
        .tuples()
        .all()
    )
    since = wall_now() - timedelta(hours=24)
    acted, said = ScreenerLog.later_action != "HOLD", ScreenerLog.later_action.is_not(None)
    asked, passed, judged, right, sampled, missed = session.execute(
        select(
            func.count(),
            func.count().filter(ScreenerLog.passed),
            func.count().filter(ScreenerLog.passed, said),
            func.count().filter(ScreenerLog.passed, acted),
            func.count().filter(ScreenerLog.audited, said),
            func.count().filter(ScreenerLog.audited, acted),
        ).where(
            ScreenerLog.account_id == account_id,
            ScreenerLog.created_at > since,
            ScreenerLog.screener == "haiku",
            ~ScreenerLog.fail_open,
        )
    ).one()
    return {
        "cycles_total": session.scalar(
            select(func.count()).select_from(DecisionCycle).where(DecisionCycle.account_id == account_id)
        ),
        "orders_by_state": orders,
        "unknown_orders": sum(orders.get(state, 0) for state in UNKNOWN_STATES),
        "screener_pass_rate": round(passed / asked, 4) if asked else None,
        "screener_precision": round(right / judged, 4) if judged else None,
        "screener_missed": round(missed / sampled, 4) if sampled else None,
    }


def _feed_ages(connection: Connection) -> dict[str, dict[str, float]]:
    """Instrument → channel → age, wall seconds; empty when Redis does not answer."""
    ages: dict[str, dict[str, float]] = {}
    try:
        client = build_redis(connection.plan.redis_url)
        cache = MarketCache(client)
        for inst_id in connection.settings.instruments:
            found = cache.ages(inst_id, wall_now())
            ages[inst_id] = {channel: round(age, 2) for channel, age in sorted(found.items())}
        client.close()
    except redis.RedisError:
        return {}
    return ages


def _stalest(ages: dict[str, dict[str, float]]) -> dict[str, float]:
    """Channel → age of its stalest instrument."""
    stalest: dict[str, float] = {}
    for channels in ages.values():
        for channel, age in channels.items():
            stalest[channel] = max(age, stalest.get(channel, 0.0))
    return stalest


def _too_old(ages: dict[str, float], settings: AnySettings) -> list[str]:
    """What is older than an entry may rest on, in some instrument, in words; nothing while no age can be read."""
    found = []
    for channel in CHANNELS if ages else ():
        age, limit = ages.get(channel), getattr(settings, f"fresh_{channel}_s")
        if age is None:
            found.append(f"{channel} has not come yet")
        elif age > limit:
            found.append(f"{channel} {age:.1f} s old ({limit:g} s allowed)")
    return found


def _number(value: Decimal | None) -> float | None:
    """A JSON number: the status is for reading; exact digits are in `okxbot cycle show --json` and the database."""
    return None if value is None else float(value)


def _age(at: datetime | None) -> float | None:
    """Wall seconds since."""
    return None if at is None else round((wall_now() - at).total_seconds(), 1)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
