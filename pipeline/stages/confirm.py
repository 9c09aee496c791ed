"""Execute and confirm: wait until every order of the cycle has ended, or say that its end is not known.

The order is sent by the trade or protect worker; pushes and the resolver end it. This stage only looks. An order
whose outcome is unknown does not hold the cycle for ever: after `PATIENCE_S` the cycle is journalled as `unknown`
while resolver and instrument lock go on.
"""

from sqlalchemy import select

from models import DecisionCycle, Order
from pipeline.context import PipelineContext
from pipeline.stage import Next
from trading.orders import OPEN_STATES

PATIENCE_S = 120


def confirm(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `journal` when all orders of the cycle have ended; otherwise look again shortly."""
    with ctx.execution.sessions() as session:
        orders = session.scalars(select(Order).where(Order.cycle_id == cycle.id).order_by(Order.id)).all()
    open_ = [order for order in orders if order.state in OPEN_STATES and order.leg != "stop"]
    if not open_:
        return Next("journal")
    oldest = min(order.created_at for order in open_)
    if (ctx.execution.clock.wall_now() - oldest).total_seconds() > PATIENCE_S:
        return Next("journal", reason=f"order {open_[0].cl_ord_id} is {open_[0].state}")
    return Next("confirm", delay_s=1)
