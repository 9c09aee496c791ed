"""Queue `cycle`: opening cycles, the stages in code (collect, rules analysis, gate, journal), the sweep."""

from datetime import datetime

import structlog

from pipeline import opening, runner
from pipeline import sweep as sweeping
from pipeline.stages import preload
from tasks.app import app
from tasks.pipeline_context import pipeline_context
from tasks.policies import RepeatableTask

logger = structlog.get_logger()
preload("collect", "analyze", "gate", "journal")


@app.task(name="cycle.open", base=RepeatableTask)
def open_cycle(inst_id: str, slot: str, opened_by: str = "feed") -> None:
    """Open the cycle of a slot the moment its candle has closed, and run it as far as this queue goes."""
    ctx = pipeline_context()
    cycle = opening.open_cycle(ctx, inst_id, datetime.fromisoformat(slot), opened_by)
    if cycle is not None:
        runner.drive(ctx, cycle, "cycle")


@app.task(name="cycle.run", base=RepeatableTask)
def run(cycle_id: int) -> None:
    """Run a cycle's next stages on this queue."""
    runner.advance(pipeline_context(), cycle_id, "cycle")


@app.task(name="cycle.due", base=RepeatableTask, send_events=False)
def due() -> None:
    """Beat's watchdog: open slots the feed did not open."""
    ctx = pipeline_context()
    for cycle in opening.open_due(ctx):
        runner.drive(ctx, cycle, "cycle")


@app.task(name="cycle.sweep", base=RepeatableTask, send_events=False)
def sweep() -> None:
    """Send lost messages again."""
    sent = sweeping.sweep(pipeline_context())
    if sent:
        logger.info("sweep_resent", messages=sent)
