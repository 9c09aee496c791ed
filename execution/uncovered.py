"""Positions without a stop: how long (wall seconds, recorded), and people told once an episode and reminded after."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution import coverage, locks, monitor, notices, outbox
from execution.context import ExecutionContext
from models import Order, Position
from settings import PaperSettings
from trading.orders import OrderState

logger = structlog.get_logger()

REMIND_AFTER = timedelta(seconds=60)


def mark(ctx: ExecutionContext) -> list[str]:
    """Start or stop the count of every position, from what the mirror holds; returns the uncovered instruments.

    One that is being closed is counted like any other; it is not among those returned, and nobody is told.
    """
    now = ctx.clock.wall_now()
    uncovered = []
    with outbox.transaction(ctx) as session:
        for row in session.scalars(
            select(Position)
            .where(Position.account_id == ctx.account_id, Position.contracts != 0)
            .order_by(Position.id)
            .with_for_update()
        ):
            algos = coverage.stops_of(ctx, session, row.inst_id)
            if not coverage.covers(row.contracts, algos, ctx.order_prefix):
                begins = row.uncovered_since is None
                if begins:
                    # Whoever counts may have been busy since we saw the stop end.
                    lost = coverage.taken_away(ctx, session, row)
                    row.uncovered_since = now if lost is None else lost.seen_at
                if being_closed(ctx, session, row, since=row.uncovered_since):
                    continue
                uncovered.append(row.inst_id)
                if begins:
                    logger.warning("position_uncovered", inst_id=row.inst_id, contracts=str(row.contracts))
                if overdue(ctx, row):
                    _tell(ctx, session, row, now)
            elif row.uncovered_since is not None:
                monitor.add_naked_time(ctx, session, row, now)
                row.alarmed_at = None
                locks.lift(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, "a live stop covers it")
            coverage.refresh_levels(ctx, session, row)
    return uncovered


def outlived_its_stop(ctx: ExecutionContext, session: Session, row: Position, closed_at: datetime) -> timedelta:
    """How long the position went on after its last stop was taken away, by the exchange's own times.

    For one that is closed before anybody has counted. `closed_at` is market time, the answer wall time.
    """
    last = coverage.taken_away(ctx, session, row)
    if last is None or last.updated_market_at is None or last.fail_code == coverage.NOT_LISTED:
        return timedelta(0)
    speed = ctx.settings.paper_speed if isinstance(ctx.settings, PaperSettings) else 1
    return timedelta(0) if speed == "lockstep" else max(closed_at - last.updated_market_at, timedelta(0)) / speed


def being_closed(ctx: ExecutionContext, session: Session, row: Position, since: datetime | None = None) -> bool:
    """Whether all of it was closed within the grace: the exchange takes its stops away with it, and the news of the one
    may come before the news of the other: no reason to act, or to alarm. A close that comes to nothing is over with the
    grace. `since`: the close was sent before that (wall).
    """
    sent = select(Order.id).where(
        Order.account_id == ctx.account_id,
        Order.inst_id == row.inst_id,
        Order.kind == "close_position",
        Order.position_opened_at == row.opened_market_at,
        Order.state.in_((OrderState.SUBMITTING, OrderState.LIVE, OrderState.FILLED)),
        Order.submitted_at > ctx.clock.wall_now() - timedelta(seconds=ctx.settings.naked_grace_s),
    )
    if since is not None:
        sent = sent.where(Order.submitted_at <= since)
    return session.scalar(sent.limit(1)) is not None


def overdue(ctx: ExecutionContext, row: Position) -> bool:
    """Whether the position has been uncovered for longer than NAKED_GRACE_S."""
    if row.uncovered_since is None:
        return False
    return ctx.clock.wall_now() - row.uncovered_since > timedelta(seconds=ctx.settings.naked_grace_s)


def _tell(ctx: ExecutionContext, session: Session, row: Position, now: datetime) -> None:
    """Uncovered for longer than the grace, whatever was tried: a person must know, once, and then be reminded."""
    assert row.uncovered_since is not None
    what = f"{row.contracts} {row.inst_id} without a stop since {row.uncovered_since:%H:%M:%S}"
    locks.lock(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, what)
    if row.alarmed_at is not None and now - row.alarmed_at < REMIND_AFTER:
        return
    again = "still " if row.alarmed_at is not None else ""
    row.alarmed_at = now
    notices.alert(session, ctx.account_id, "position_uncovered", "CRITICAL", again + what, inst_id=row.inst_id)
