"""Queue `perplexity`: the `research` stage."""

from tasks.app import app
from tasks.policies import ModelTask


@app.task(name="perplexity.research", base=ModelTask)
def research(cycle_id: int) -> None:
    """Run the cycle's `research` stage; tries and deadline are inside it."""
    # Imported on the first task: with the rules analyst there never is one, and the worker stays small.
    from pipeline import runner
    from tasks.pipeline_context import pipeline_context

    runner.advance(pipeline_context(), cycle_id, "perplexity")


@app.task(name="perplexity.ask", base=ModelTask)
def ask(question_id: int) -> None:
    """Answer a person's question, stored in the audit log."""
    from brain.perplexity_research import PerplexityResearcher
    from pipeline.asking import answer_question
    from tasks.context import ground

    on = ground()
    if on.settings.perplexity_api_key is None:
        return  # whoever asked was told so
    researcher = PerplexityResearcher.from_settings(on.settings, on.sessions, on.clock, on.account_id)
    answer_question(on.sessions, on.account_id, researcher, question_id)
