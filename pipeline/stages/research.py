"""Research: one question to Perplexity when code saw a reason for it. Failing: decide without."""

from dataclasses import asdict

from brain.research import trigger
from models import DecisionCycle
from pipeline.context import PipelineContext
from pipeline.occasions import stored_occasions
from pipeline.stage import Next
from pipeline.stored import stored_snapshot


def research(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `analyze`, with the answer and its facts, or with the reason why there are none."""
    question = trigger(stored_snapshot(cycle).market, cycle.id, stored_occasions(cycle))
    if ctx.researcher is None or question is None:
        return Next("analyze")
    answer = ctx.researcher.research(question)
    return Next(
        "analyze",
        {
            "research": {
                "question": question.question,
                "trigger": question.trigger,
                "text": answer.text,
                "findings": None if answer.findings is None else answer.findings.model_dump(mode="json"),
                "reason": answer.reason,
                "cached": answer.cached,
                "sources": [asdict(source) for source in answer.sources],
            }
        },
    )
