"""Queue `haiku`: the `screen` stage."""

from pipeline import runner
from tasks.app import app
from tasks.context import pipeline_context
from tasks.policies import ModelTask


@app.task(name="haiku.screen", base=ModelTask)
def screen(cycle_id: int) -> None:
    """Run the cycle's `screen` stage; tries and deadline are inside it."""
    runner.advance(pipeline_context(), cycle_id, "haiku")
