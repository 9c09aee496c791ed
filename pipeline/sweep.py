"""Finds what a lost message left behind: cycles nobody holds, and outbox rows nobody sent."""

from datetime import timedelta

from sqlalchemy import and_, or_, select

from execution import outbox
from models import DecisionCycle, Order
from pipeline.context import PipelineContext
from pipeline.stage import QUEUE_TASKS, queue_of
from trading.orders import ENTRY_LEGS, OrderState

GRACE_S = 2
BATCH = 200


def sweep(ctx: PipelineContext) -> int:
    """Send again what should have been running; returns how many messages. Safe to repeat: claims decide."""
    execution = ctx.execution
    now = execution.clock.wall_now()
    late = now - timedelta(seconds=GRACE_S)
    with execution.sessions() as session:
        cycles = session.execute(
            select(DecisionCycle.id, DecisionCycle.stage)
            .where(
                DecisionCycle.account_id == execution.account_id,
                DecisionCycle.stage != "done",
                or_(DecisionCycle.lease_until.is_(None), DecisionCycle.lease_until < now),
                or_(
                    and_(DecisionCycle.not_before.is_(None), DecisionCycle.created_at < late),
                    DecisionCycle.not_before < now,
                ),
            )
            .order_by(DecisionCycle.id)
            .limit(BATCH)
        ).all()
        intents = session.execute(
            select(Order.id, Order.leg)
            .where(
                Order.account_id == execution.account_id,
                Order.state == OrderState.INTENDED,
                Order.created_at < late,
            )
            .limit(BATCH)
        ).all()
    for cycle_id, stage in cycles:
        queue = queue_of(stage, ctx.analyst.name)
        execution.send(QUEUE_TASKS[queue], queue, [cycle_id])
    for order_id, leg in intents:
        queue = "trade" if leg in ENTRY_LEGS else "protect"
        execution.send(f"{queue}.submit", queue, [order_id])
    return len(cycles) + len(intents) + outbox.relay(execution)
