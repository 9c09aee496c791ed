"""Finds what a lost message left behind: cycles nobody holds, intents nobody sent, outbox rows nobody published.

What waits is sent again every `RESEND_S`, not every tick: while a worker is down its queue stays short. An entry
intent past its deadline is ended here, for a worker that is down cannot. Sweeping twice at once is harmless.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from execution import jobs, outbox, transition
from execution.context import ExecutionContext
from models import DecisionCycle, JobRun, Order
from pipeline.context import PipelineContext
from pipeline.stage import QUEUE_TASKS, queue_of
from trading.clock import slot_close
from trading.orders import ENTRY_LEGS, OrderState

logger = structlog.get_logger()

GRACE_S = 2
RESEND_S = 10
BATCH = 200
JOB_RUNS_KEPT = timedelta(days=7)


def sweep(ctx: PipelineContext) -> int:
    """Send again what should have been running; returns how many messages. Safe to repeat: claims decide."""
    execution = ctx.execution
    now = execution.clock.wall_now()
    messages: list[tuple[str, str, int]] = []
    with execution.sessions.begin() as session:
        for cycle in _abandoned(session, execution.account_id, now):
            # No token: anybody may claim it. The lease only says when the sweep looks at it again.
            cycle.claim_token, cycle.lease_until = None, now + timedelta(seconds=RESEND_S)
            queue = queue_of(cycle.stage, ctx.analyst.name)
            messages.append((QUEUE_TASKS[queue], queue, cycle.id))
    with outbox.transaction(execution) as session:
        for order in _unsent(session, execution.account_id, now):
            if order.leg in ENTRY_LEGS and order.deadline is not None and order.deadline < now:
                transition.move(session, order, OrderState.EXPIRED, "sweep", last_code="deadline",
                                last_message="never sent: the decision is too old")  # fmt: skip
                continue
            queue = "trade" if order.leg in ENTRY_LEGS else "protect"
            messages.append((f"{queue}.submit", queue, order.id))
    for task, queue, row_id in messages:
        execution.send(task, queue, [row_id])
    purge(execution)
    return len(messages) + outbox.relay(execution)


def purge(ctx: ExecutionContext) -> None:
    """Once an hour of wall time: drop what only mattered while it was new."""
    now = ctx.clock.wall_now()
    with jobs.slot(ctx, "purge", slot_close(now, 3600)) as mine:
        if not mine:
            return
        messages = outbox.purge(ctx)
        with ctx.sessions.begin() as session:
            runs = session.execute(
                delete(JobRun)
                .where(JobRun.account_id == ctx.account_id, JobRun.started_at < now - JOB_RUNS_KEPT)
                .returning(JobRun.id)
            ).all()
    logger.info("purged", outbox=messages, job_runs=len(runs))


def _abandoned(session: Session, account_id: int, now: datetime) -> list[DecisionCycle]:
    """Cycles that nobody holds and whose time has come, locked."""
    late = now - timedelta(seconds=GRACE_S)
    return list(
        session.scalars(
            select(DecisionCycle)
            .where(
                DecisionCycle.account_id == account_id,
                DecisionCycle.stage != "done",
                or_(DecisionCycle.lease_until.is_(None), DecisionCycle.lease_until < now),
                or_(
                    and_(DecisionCycle.not_before.is_(None), DecisionCycle.created_at < late),
                    DecisionCycle.not_before < now,
                ),
            )
            .order_by(DecisionCycle.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    )


def _unsent(session: Session, account_id: int, now: datetime) -> list[Order]:
    """Intents whose message should have arrived by now."""
    return list(
        session.scalars(
            select(Order)
            .where(
                Order.account_id == account_id,
                Order.state == OrderState.INTENDED,
                Order.created_at < now - timedelta(seconds=GRACE_S),
            )
            .order_by(Order.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
    )
