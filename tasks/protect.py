"""Queue `protect`: stops, reductions, closes. Its own worker, so that a stop never waits behind an entry."""

from execution.heartbeat import protection_checked
from execution.protection import check as check_protection
from execution.submit import submit as submit_order
from pipeline.handover import order_was_handled
from tasks.app import app
from tasks.context import execution_context
from tasks.policies import OnceTask


@app.task(name="protect.submit", base=OnceTask)
def submit(order_id: int) -> None:
    """Claim a reduce-only intent and place it."""
    ctx = execution_context()
    submit_order(ctx, order_id)
    order_was_handled(ctx, order_id)


@app.task(name="protect.check", base=OnceTask, send_events=False)
def check() -> None:
    """See that every position is covered by a live stop, and mend what is not. Nothing else: see `trade.tend`.

    A check that could not read the exchange is no sign of life: the gate refuses entries when they go on failing.
    """
    ctx = execution_context()
    if not check_protection(ctx).unread:
        protection_checked(ctx)
