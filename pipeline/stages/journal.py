"""Journal: what came of the cycle, in one word and one line, and what the screener should learn from it."""

from sqlalchemy import select, update

from models import DecisionCycle, Order, ScreenerLog
from pipeline.context import PipelineContext
from pipeline.stage import Next
from trading.decision import Action, Decision
from trading.orders import OrderState

DONE = {
    Action.OPEN_LONG: "opened",
    Action.OPEN_SHORT: "opened",
    Action.ADD: "added",
    Action.REDUCE: "reduced",
    Action.CLOSE: "closed",
    Action.HOLD: "hold",
}
NOT_DONE = {
    OrderState.CANCELED: "not_filled",
    OrderState.REJECTED: "failed",
    OrderState.EXPIRED: "expired",
    OrderState.DENIED: "denied",
    OrderState.ABSENT: "failed",
}


def journal(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """End the cycle: outcome and reason from its decision, verdict and order."""
    decision = Decision.model_validate(cycle.decision) if cycle.decision else None
    with ctx.execution.sessions.begin() as session:
        order = session.scalars(
            select(Order).where(Order.cycle_id == cycle.id, Order.leg != "stop").order_by(Order.id.desc()).limit(1)
        ).one_or_none()
        session.execute(
            update(ScreenerLog)
            .where(ScreenerLog.cycle_id == cycle.id)
            .values(later_action=decision.action if decision else None)
        )
    reason = cycle.reason or ""
    if order is None:
        outcome = "rejected" if reason.startswith("rejected:") else "hold"
        return Next("done", outcome=outcome, reason=reason)
    assert decision is not None, "an order without a decision"
    state = OrderState(order.state)
    if order.acc_fill_sz_contracts > 0 or (state is OrderState.FILLED):
        return Next("done", outcome=DONE[decision.action], reason=reason)
    why = f"{order.last_code or ''} {order.last_message or ''}".strip()
    if state in NOT_DONE:
        return Next("done", outcome=NOT_DONE[state], reason=f"order {state}: {why}" if why else f"order {state}")
    return Next("done", outcome="unknown", reason=f"order {state}: {why}")
