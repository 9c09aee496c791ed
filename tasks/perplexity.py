"""Queue `perplexity`: the `research` stage."""

from pipeline import runner
from tasks.app import app
from tasks.context import pipeline_context
from tasks.policies import ModelTask


@app.task(name="perplexity.research", base=ModelTask)
def research(cycle_id: int) -> None:
    """Run the cycle's `research` stage; tries and deadline are inside it."""
    runner.advance(pipeline_context(), cycle_id, "perplexity")
