"""Positions without a stop: how long (wall seconds, recorded), and people told once an episode and reminded after."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution import coverage, locks, monitor, notices, outbox
from execution.context import ExecutionContext
from models import Order, Position
from trading.orders import OrderState

logger = structlog.get_logger()

REMIND_AFTER = timedelta(seconds=60)


def mark(ctx: ExecutionContext) -> list[str]:
    """Start or stop the count of every position, from what the mirror holds; returns the uncovered instruments."""
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
            if row.uncovered_since is None and being_closed(ctx, session, row):
                continue
            if not coverage.covers(row.contracts, algos, ctx.order_prefix):
                uncovered.append(row.inst_id)
                if row.uncovered_since is None:
                    row.uncovered_since = now
                    logger.warning("position_uncovered", inst_id=row.inst_id, contracts=str(row.contracts))
                elif overdue(ctx, row):
                    _tell(ctx, session, row, now)
            elif row.uncovered_since is not None:
                monitor.add_naked_time(ctx, session, row, now)
                row.alarmed_at = None
                locks.lift(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, "a live stop covers it")
            coverage.refresh_levels(ctx, session, row)
    return uncovered


def being_closed(ctx: ExecutionContext, session: Session, row: Position) -> bool:
    """Whether all of it was closed within the grace: the exchange takes its stops away with it, and the news of the one
    may come before the news of the other. A close that comes to nothing is over with the grace.
    """
    sent = select(Order.id).where(
        Order.account_id == ctx.account_id,
        Order.inst_id == row.inst_id,
        Order.kind == "close_position",
        Order.position_opened_at == row.opened_market_at,
        Order.state.in_((OrderState.SUBMITTING, OrderState.LIVE, OrderState.FILLED)),
        Order.submitted_at > ctx.clock.wall_now() - timedelta(seconds=ctx.settings.naked_grace_s),
    )
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
