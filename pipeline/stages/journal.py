"""Journal: what came of the cycle, in one word and one line, and what the screener should learn from it.

It reads the decision's action as it was stored, valid or not: a cycle that failed on a decision nobody can read must
still come to its end.
"""

from sqlalchemy import select, update

from models import DecisionCycle, Order, ScreenerLog
from pipeline.context import PipelineContext
from pipeline.stage import Next
from trading.decision import Action
from trading.orders import Leg, OrderState

DONE = {
    Leg.ENTRY: "opened",
    Leg.ADD: "added",
    Leg.REDUCE: "reduced",
    Leg.CLOSE: "closed",
    Leg.FLATTEN: "closed",
}
NOT_DONE = {
    OrderState.CANCELED: "not_filled",
    OrderState.REJECTED: "failed",
    OrderState.EXPIRED: "expired",
    OrderState.DENIED: "denied",
    OrderState.ABSENT: "failed",
}


def journal(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """End the cycle: outcome and reason from its verdict and order."""
    action = (cycle.decision or {}).get("action")
    if action == Action.HOLD and cycle.screening is None:
        return Next("done", outcome="hold", reason=cycle.reason)  # no order, and no screener to tell
    # A HOLD because nobody answered is not what Opus said.
    answered = (cycle.considered or {}).get("decided", True)
    with ctx.execution.sessions.begin() as session:
        order = session.scalars(
            select(Order).where(Order.cycle_id == cycle.id, Order.leg != Leg.STOP).order_by(Order.id.desc()).limit(1)
        ).one_or_none()
        session.execute(
            update(ScreenerLog)
            .where(ScreenerLog.cycle_id == cycle.id)
            .values(later_action=action if answered and action in list(Action) else None)
        )
    reason = cycle.reason or ""
    if order is None:
        outcome = "rejected" if reason.startswith("rejected:") else "hold"
        return Next("done", outcome=outcome, reason=reason)
    state = OrderState(order.state)
    if order.acc_fill_sz_contracts > 0 or (state is OrderState.FILLED):
        return Next("done", outcome=DONE[Leg(order.leg)], reason=reason)
    why = f"{order.last_code or ''} {order.last_message or ''}".strip()
    if state in NOT_DONE:
        return Next("done", outcome=NOT_DONE[state], reason=f"order {state}: {why}" if why else f"order {state}")
    return Next("done", outcome="unknown", reason=f"order {state}: {why}")
