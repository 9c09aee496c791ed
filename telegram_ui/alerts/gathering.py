"""Events that are rows or stream entries become alerts: once each, in the transaction that remembers how far we read.

Read: refused decisions, deep reflections, daily snapshots, losses in a row, and the Redis streams `system:alerts` and
`market:alerts`. The first look ever begins at the present: nobody wants last month's news.
"""

from collections.abc import Callable
from typing import Any

import orjson
import structlog
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import notices
from execution.context import ExecutionContext
from models import BotState, DecisionCycle, PerformanceSnapshot, ReadingPosition, Reflection, RiskVerdict
from telegram_ui.text import coin, plain

logger = structlog.get_logger()
AT_ONCE = 200
STREAMS = ("system:alerts", "market:alerts")
OWN_SOURCE = "okxbot"
LOSSES = 2
SEVERITIES = {"INFO": "INFO", "WARN": "WARN", "WARNING": "WARN", "CRITICAL": "CRITICAL"}


def gather_rows(ctx: ExecutionContext) -> None:
    """Everything that is in PostgreSQL."""
    with ctx.sessions.begin() as session:
        for source, table, read in _TABLES:
            row = session.get(ReadingPosition, (ctx.account_id, source), with_for_update=True)
            if row is None:
                newest = session.scalar(select(func.max(table.id))) or 0
                session.add(ReadingPosition(account_id=ctx.account_id, source=source, position=str(newest)))
            else:
                row.position = str(read(session, ctx.account_id, int(row.position)))
        _losses(session, ctx)


def gather_streams(ctx: ExecutionContext, redis: Redis) -> None:
    """Everything in the streams. Redis is asked between transactions. Raises RedisError."""
    for stream in STREAMS:
        with ctx.sessions() as session:
            known = session.get(ReadingPosition, (ctx.account_id, stream))
        if known is None:
            newest: Any = redis.xrevrange(stream, count=1)
            position = newest[0][0].decode() if newest else "0-0"
            with ctx.sessions.begin() as session:
                session.add(ReadingPosition(account_id=ctx.account_id, source=stream, position=position))
            continue
        entries: Any = redis.xrange(stream, min=f"({known.position}", count=AT_ONCE)
        if not entries:
            continue
        with ctx.sessions.begin() as session:
            row = session.get_one(ReadingPosition, (ctx.account_id, stream), with_for_update=True)
            if row.position == known.position:
                for entry_id, fields in entries:
                    _from_entry(session, ctx.account_id, stream, fields)
                    row.position = entry_id.decode()


def _from_entry(session: Session, account_id: int, stream: str, fields: dict[bytes, bytes]) -> None:
    """An entry of somebody else. Our own are alerts already, and a CRITICAL system alert is told of by its halt."""
    try:
        payload = orjson.loads(fields.get(b"payload", b"{}"))
        source = fields.get(b"source", b"").decode("utf-8", "replace") or str(payload.get("source", ""))
        severity = SEVERITIES.get(str(payload.get("severity", "INFO")).upper(), "WARN")
        message = plain(payload.get("reason") or payload.get("message") or "no text", 1000)
        kind = plain(payload.get("kind") or stream.replace(":alerts", "_alert"), 60)
        inst_id = payload.get("inst_id") or payload.get("instrument")
    except (ValueError, AttributeError):
        logger.error("alert_entry_malformed", stream=stream)
        return
    if source == OWN_SOURCE or (stream == "system:alerts" and severity == "CRITICAL"):
        return
    where = plain(inst_id, 60) if inst_id else None
    notices.alert(session, account_id, kind, severity, message, inst_id=where, payload={"stream": stream})


def _refused(session: Session, account_id: int, after: int) -> int:
    """Decisions the gate refused."""
    rows = session.execute(
        select(RiskVerdict, DecisionCycle.inst_id, DecisionCycle.decision)
        .join(DecisionCycle, DecisionCycle.id == RiskVerdict.cycle_id)
        .where(DecisionCycle.account_id == account_id, RiskVerdict.id > after)
        .order_by(RiskVerdict.id)
        .limit(AT_ONCE)
    ).all()
    for verdict, inst_id, decision in rows:
        if not verdict.approved:
            message = f"{(decision or {}).get('action', 'decision')} {coin(inst_id)} refused: {verdict.reason}"
            payload = {"cycle_id": verdict.cycle_id}
            notices.alert(session, account_id, "risk_rejected", "WARN", message, inst_id=inst_id, payload=payload)
    return int(rows[-1][0].id) if rows else after


def _reflected(session: Session, account_id: int, after: int) -> int:
    """Deep reflections, with the version of the playbook they made, if they did."""
    rows = session.scalars(
        select(Reflection)
        .where(Reflection.account_id == account_id, Reflection.id > after)
        .order_by(Reflection.id)
        .limit(AT_ONCE)
    ).all()
    for row in rows:
        if row.kind == "deep":
            payload = {"changed_to": row.playbook_version if row.outcome == "patched" else None}
            notices.alert(session, account_id, "reflection", "INFO", f"{row.text}: {row.reason}", payload=payload)
    return rows[-1].id if rows else after


def _days(session: Session, account_id: int, after: int) -> int:
    """Days of market time that have ended."""
    rows = session.scalars(
        select(PerformanceSnapshot)
        .where(PerformanceSnapshot.account_id == account_id, PerformanceSnapshot.id > after)
        .order_by(PerformanceSnapshot.id)
        .limit(AT_ONCE)
    ).all()
    for row in rows:
        if row.period == "daily" and _was_lived(session, row):
            message = f"the day ended with {row.equity:,.2f} USDT"
            payload = {"slot": row.slot.isoformat()}
            notices.alert(session, account_id, "daily_summary", "INFO", message, payload=payload, market_at=row.slot)
    return rows[-1].id if rows else after


def _was_lived(session: Session, daily: PerformanceSnapshot) -> bool:
    """Whether anything was noted before that day ended: the day a first start comes after is nobody's."""
    table = PerformanceSnapshot
    earlier = select(table.id).where(table.account_id == daily.account_id, table.slot < daily.slot)
    return session.scalar(earlier.limit(1)) is not None


def _losses(session: Session, ctx: ExecutionContext) -> None:
    """Each loss in a row from the second on."""
    state = session.get_one(BotState, ctx.account_id)
    count = state.consecutive_losses
    row = session.get(ReadingPosition, (ctx.account_id, "losses_in_a_row"), with_for_update=True)
    if row is None:
        session.add(ReadingPosition(account_id=ctx.account_id, source="losses_in_a_row", position=str(count)))
        return
    if count > int(row.position) and count >= LOSSES:
        message = f"{count} losses in a row"
        if count >= ctx.settings.max_consecutive_losses:
            message += f"; no entries for {ctx.settings.loss_cooldown_min} minutes of market time"
        notices.alert(session, ctx.account_id, "losses_in_a_row", "WARN", message)
    row.position = str(count)


_TABLES: tuple[tuple[str, Any, Callable[[Session, int, int], int]], ...] = (
    ("risk_verdicts", RiskVerdict, _refused),
    ("reflections", Reflection, _reflected),
    ("performance_snapshots", PerformanceSnapshot, _days),
)
