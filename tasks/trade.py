"""Queue `trade`: entries, and what becomes of them while they rest or their stops follow the price.

One call to the exchange, never repeated.
"""

from execution.following_stops import follow_prices
from execution.resting import cancel_due
from execution.submit import submit as submit_order
from pipeline.handover import order_was_handled
from tasks.app import app
from tasks.context import execution_context
from tasks.policies import OnceTask


@app.task(name="trade.submit", base=OnceTask)
def submit(order_id: int) -> None:
    """Claim the intent and place it; a second delivery finds nothing to claim."""
    ctx = execution_context()
    submit_order(ctx, order_id)
    order_was_handled(ctx, order_id)


@app.task(name="trade.tend", base=OnceTask, send_events=False)
def tend() -> None:
    """Cancel entries that may rest no longer, and let stops follow the price. Not in `protect`: an exchange that is
    slow to answer here must keep no position from its stop.
    """
    ctx = execution_context()
    cancel_due(ctx)
    follow_prices(ctx)
