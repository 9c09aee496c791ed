"""Screen: is it worth asking Opus? A failing screener lets the signal pass; that costs money at most, never risk."""

from datetime import datetime

from sqlalchemy.orm import Session

from brain.research import trigger
from brain.screener_health import screener_health
from brain.screening import ScreenRequest, ScreenResult
from execution import notices
from models import DecisionCycle
from pipeline.context import PipelineContext
from pipeline.keeping import cache_is_dying
from pipeline.occasions import find_occasions
from pipeline.playbook_view import active_playbook
from pipeline.stage import Next
from pipeline.stored import stored_snapshot

FAILING, ANSWERING = "screener_failing", "screener_answering"
REMINDED_EVERY_S = 3600


def screen(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `research` when code sees a question, else `analyze`; not passed → `journal` with HOLD."""
    if ctx.screener is None:
        return Next("analyze")
    stored = stored_snapshot(cycle)
    with ctx.execution.sessions() as session:
        occasions = find_occasions(session, cycle, stored.market)
    result = ctx.screener.screen(ScreenRequest(cycle.id, stored.market, stored.account, occasions))

    def log(session: Session, row: DecisionCycle) -> None:
        session.add(result.log_row(ctx.execution.account_id, row.id))
        session.flush()
        _tell(ctx, session, result)

    values = {
        "screening": {
            "screener": result.screener,
            "passed": result.passed,
            "bypass": result.bypass,
            "fail_open": result.fail_open,
            "audited": result.audited,
            "reason": result.reason,
            "occasions": occasions.model_dump(mode="json"),
        }
    }
    if not result.goes_on:
        _keep(ctx, cycle, stored.market.market_at)
        return Next("journal", values, reason=f"hold: screened out: {result.reason}", write=log)
    asks = ctx.researcher is not None and trigger(stored.market, cycle.id, occasions) is not None
    return Next("research" if asks else "analyze", values, write=log)


def _keep(ctx: PipelineContext, cycle: DecisionCycle, at: datetime) -> None:
    """In quiet hours, what Opus has cached is read once an hour for nothing."""
    account_id = ctx.execution.account_id
    with ctx.execution.sessions() as session:
        if not cache_is_dying(session, account_id, cycle.slot):
            return
        version, playbook = active_playbook(session, account_id, at)
    ctx.analyst.keep(cycle.id, playbook, version)


def _tell(ctx: PipelineContext, session: Session, result: ScreenResult) -> None:
    """An alarm when Haiku fails too often, once an hour; and word when it answers again."""
    if result.screener != "haiku":
        return
    account_id, now = ctx.execution.account_id, ctx.execution.clock.wall_now()
    health = screener_health(session, account_id, now)
    if result.fail_open and health.alarm is not None:
        notices.alert_once(session, account_id, FAILING, "WARN", health.alarm, within_s=REMINDED_EVERY_S, now=now)
    elif not result.fail_open and health.recovered:
        notices.alert(session, account_id, ANSWERING, "INFO", "haiku answers again: candles are screened")
