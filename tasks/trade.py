"""Queue `trade`: entries. One call to the exchange, never repeated."""

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
