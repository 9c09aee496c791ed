"""From the trade and protect workers back to the cycle: its order has been sent, its end can be looked for."""

from sqlalchemy import select, update

from execution import outbox
from execution.context import ExecutionContext
from models import DecisionCycle, Order


def order_was_handled(ctx: ExecutionContext, order_id: int) -> None:
    """Move the order's cycle from `execute` to `confirm` and ask for the confirmation. Safe to repeat."""
    with outbox.transaction(ctx) as session:
        cycle_id = session.scalar(select(Order.cycle_id).where(Order.id == order_id))
        if cycle_id is None:
            return
        moved = session.execute(
            update(DecisionCycle)
            .where(DecisionCycle.id == cycle_id, DecisionCycle.stage == "execute", DecisionCycle.claim_token.is_(None))
            .values(stage="confirm")
            .returning(DecisionCycle.id)
        ).scalar_one_or_none()
        if moved is not None:
            outbox.post(session, "account.confirm", "account", [cycle_id])
