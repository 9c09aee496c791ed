"""Queue `reflection`: reviews of closed trades and the deep reflection, kept apart from decisions."""

from tasks.app import app
from tasks.policies import ModelTask


@app.task(name="reflection.review", base=ModelTask)
def review(trade_id: int) -> None:
    """Review one closed trade, once."""
    # Imported on first use, so that the worker is small until a trade has closed.
    from pipeline import learning
    from tasks.context import ground

    learning.review_trade(ground(), trade_id)


@app.task(name="reflection.due", base=ModelTask, send_events=False)
def due() -> None:
    """Reflect deeply when 20 trades have closed or six hours have passed, once a window."""
    from pipeline import learning
    from tasks.context import ground

    learning.reflect_if_due(ground())
