"""Screen: is it worth asking Opus? A failing screener lets the signal pass; that costs money at most, never risk."""

from sqlalchemy.orm import Session

from brain.research import trigger
from brain.screening import ScreenRequest
from models import DecisionCycle
from pipeline.context import PipelineContext
from pipeline.stage import Next
from pipeline.stored import stored_snapshot


def screen(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `research` when code sees a question, else `analyze`; not passed → `journal` with HOLD."""
    if ctx.screener is None:
        return Next("analyze")
    stored = stored_snapshot(cycle)
    result = ctx.screener.screen(ScreenRequest(cycle.id, stored.market, stored.account))

    def log(session: Session, row: DecisionCycle) -> None:
        session.add(result.log_row(ctx.execution.account_id, row.id))

    values = {
        "screening": {
            "screener": result.screener,
            "passed": result.passed,
            "bypass": result.bypass,
            "fail_open": result.fail_open,
            "reason": result.reason,
        }
    }
    if not result.passed:
        return Next("journal", values, reason=f"hold: screened out: {result.reason}", write=log)
    asks = ctx.researcher is not None and trigger(stored.market, cycle.id) is not None
    return Next("research" if asks else "analyze", values, write=log)
