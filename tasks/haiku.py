"""Queue `haiku`: the `screen` stage."""

from tasks.app import app
from tasks.policies import ModelTask


@app.task(name="haiku.screen", base=ModelTask)
def screen(cycle_id: int) -> None:
    """Run the cycle's `screen` stage; tries and deadline are inside it."""
    # Imported on the first task: with the rules analyst there never is one, and the worker stays small.
    from pipeline import runner
    from tasks.pipeline_context import pipeline_context

    runner.advance(pipeline_context(), cycle_id, "haiku")
