"""What must hold at every moment, looked at every ten seconds and after the first reconciliation of a start.

A broken invariant that outlives its grace is stored, told, and stops entries: one that says our books or our code are
wrong halts the bot until a person resumes it; one that says our surroundings are (a clock, a feed, somebody else's
order) refuses entries while it lasts. Before anything is confirmed the exchange is asked anew; while it cannot be read
what rests on it is not judged.
"""

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import break_log, halting, notices, outbox
from execution import invariant_checks as books
from execution import invariant_surroundings as surroundings
from execution.break_log import Finding
from execution.context import ExecutionContext
from execution.invariant_rules import RULES, Invariant
from execution.refreshing import refresh
from models import BotState, BreakRow

logger = structlog.get_logger()

SOURCE = "invariants"
CHECKS: tuple[Callable[[ExecutionContext, Session], list[Finding]], ...] = (
    books.one_order_per_intent,
    books.one_open_entry,
    books.outcome_known_in_time,
    books.position_equals_fills,
    books.position_covered,
    books.stop_has_position,
    books.foreign_is_locked,
    surroundings.within_limits,
    surroundings.clock_agrees,
    surroundings.data_is_fresh,
)


def check(ctx: ExecutionContext) -> list[str]:
    """Look once; returns the names of the broken invariants that are confirmed and last. Safe to repeat."""
    findings, readable = _look(ctx), True
    if any(RULES[Invariant(f.name)].asks_exchange for f in findings):
        try:
            refresh(ctx)
            findings = _look(ctx)
        except ReadFailed as failure:
            logger.warning("invariants_unreadable", reason=str(failure))
            readable = False
            findings = [f for f in findings if not RULES[Invariant(f.name)].asks_exchange]
    now = ctx.clock.wall_now()
    with outbox.transaction(ctx) as session:
        fresh = break_log.note(
            session, ctx.account_id, SOURCE, findings, now,
            grace=lambda name: RULES[Invariant(name)].grace,
            judged=lambda name: readable or not RULES[Invariant(name)].asks_exchange,
        )  # fmt: skip
        lasting = [r for r in break_log.open_breaks(session, ctx.account_id, SOURCE) if r.confirmed_at is not None]
        for row in fresh:
            _tell(ctx, session, row)
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        state.entries_blocked = _blocked(lasting)
        state.invariants_checked_at = now
    for row in fresh:
        rule = RULES[Invariant(row.name)]
        if rule.halt is not None:
            halting.halt(ctx, reason=_words(row), kind=rule.halt, actor="invariants", channel="bot")
    return [row.name for row in lasting]


def check_after_start(ctx: ExecutionContext) -> None:
    """Look now if nobody has since the bot was started."""
    with ctx.sessions() as session:
        state = session.get_one(BotState, ctx.account_id)
        seen, started = state.invariants_checked_at, state.started_at
    if seen is None or started is None or seen < started:
        check(ctx)


def _look(ctx: ExecutionContext) -> list[Finding]:
    findings: list[Finding] = []
    with ctx.sessions() as session:
        for one in CHECKS:
            findings += one(ctx, session)
    return findings


def _tell(ctx: ExecutionContext, session: Session, row: BreakRow) -> None:
    notices.alert(session, ctx.account_id, "invariant_broken", "CRITICAL", _words(row), inst_id=row.inst_id or None)
    detail = {"name": row.name, "inst_id": row.inst_id, "detail": row.detail}
    notices.audit(session, ctx.account_id, "invariants", "bot", "invariant_broken", detail)


def _blocked(lasting: Sequence[BreakRow]) -> str | None:
    return "; ".join(_words(row) for row in lasting) or None


def _words(row: BreakRow) -> str:
    where = f" {row.inst_id}" if row.inst_id else ""
    return f"{Invariant(row.name).number} {row.name}{where}: {row.detail}"
