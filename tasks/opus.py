"""Queue `opus`: the `analyze` stage."""

from tasks.app import app
from tasks.policies import ModelTask


@app.task(name="opus.analyze", base=ModelTask)
def analyze(cycle_id: int) -> None:
    """Run the cycle's `analyze` stage; tries and deadline are inside it."""
    # Imported on the first task: with the rules analyst there never is one, and the worker stays small.
    from pipeline import runner
    from tasks.pipeline_context import pipeline_context

    runner.advance(pipeline_context(), cycle_id, "opus")
