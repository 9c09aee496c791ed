"""Queue `opus`: the `analyze` stage."""

from pipeline import runner
from tasks.app import app
from tasks.context import pipeline_context
from tasks.policies import ModelTask


@app.task(name="opus.analyze", base=ModelTask)
def analyze(cycle_id: int) -> None:
    """Run the cycle's `analyze` stage; tries and deadline are inside it."""
    runner.advance(pipeline_context(), cycle_id, "opus")
