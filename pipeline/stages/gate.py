"""Gate: the risk gate's word on a decision, and the order intent if it is yes.

The exchange is read fresh before the transaction; the rest is read inside it, under the account-wide lock, so that
two instruments cannot both take the room for one position; should an entry have been filled between that reading and
the lock, the account is read again. Verdict, intent and message commit together.
"""

from datetime import datetime
from decimal import Decimal

import structlog
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import intents
from execution.errors import DuplicateIntent
from models import DecisionCycle, RiskVerdict
from pipeline.account_view import AccountReading, account_view, read_account
from pipeline.context import PipelineContext
from pipeline.learning.evidence import source_of
from pipeline.market_view import MarketUnavailable, live_market
from pipeline.playbook_view import active_playbook
from pipeline.stage import Next
from trading.clock import ClockUnavailable
from trading.decision import ENTERING, EXITING, Action, Decision
from trading.gate.gate import judge
from trading.gate.verdict import GateInput, Verdict
from trading.playbook import SoftRules, soft_rules
from trading.snapshot import MarketSnapshot, PositionPlan
from trading.tightening import tightened

logger = structlog.get_logger()
AGAIN_S = 0.25


def gate(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """Judge the stored decision; approved → `execute` with an intent committed, else → `journal` with the reason."""
    decision = Decision.model_validate(cycle.decision)
    if decision.action is Action.HOLD:
        return Next("journal", reason=decision.reasoning)
    decided_at = cycle.decided_at
    if cycle.snapshot is None or decided_at is None:
        return Next("journal", reason="hold: the decision has no snapshot to judge it by")
    seen = MarketSnapshot.model_validate(cycle.snapshot["market"])
    reading: AccountReading | None = None
    live = seen
    try:
        reading = read_account(ctx)
        live = live_market(ctx, cycle.inst_id, cycle.slot)
    except (ReadFailed, MarketUnavailable) as failure:
        if decision.action in ENTERING:
            return Next("journal", reason=f"hold: {failure}")
        if reading is None:
            # Closing never waits for perfect knowledge; the mirror says what is open.
            logger.warning("closing_on_mirror", inst_id=cycle.inst_id, reason=str(failure))
    try:
        market_now = ctx.execution.clock.market_now()
    except ClockUnavailable as failure:
        if decision.action in ENTERING:
            return Next("journal", reason=f"hold: {failure}")
        market_now = cycle.slot  # an exit is not judged by time

    def write(session: Session, row: DecisionCycle) -> Next:
        return _decide(ctx, session, row, decision, decided_at, seen, live, reading, market_now)

    return Next("execute", write=write)


def _decide(
    ctx: PipelineContext,
    session: Session,
    cycle: DecisionCycle,
    decision: Decision,
    decided_at: datetime,
    seen: MarketSnapshot,
    live: MarketSnapshot,
    reading: AccountReading | None,
    market_now: datetime,
) -> Next:
    intents.account_lock(session, ctx.execution.account_id)
    view = account_view(ctx, session, reading, market_now)
    if decision.action in ENTERING and view.entered_since:
        return Next("gate", delay_s=AGAIN_S, reason="another entry was filled while the account was read")
    given = GateInput(
        decision=decision,
        decided_at=decided_at,
        now=view.taken_at,
        market_now=market_now,
        market=seen,
        live=live,
        account=view.account,
        history=view.history,
        instrument=ctx.instruments[cycle.inst_id],
        limits=tightened(ctx.limits, view.limit_overrides),
        entries_allowed=view.entries_refused_for is None,
        entries_refused_for=view.entries_refused_for,
        protection_seen_at=view.protection_seen_at,
        soft=_soft_rules(session, cycle, decision, seen, market_now) if decision.action in ENTERING else None,
    )
    verdict = judge(given)
    session.add(_stored(cycle.id, verdict, given))
    if not verdict.approved:
        logger.info("risk_rejected", refused_by=[str(r) for r in verdict.refused_by], reason=verdict.reason)
        return Next("journal", reason=f"rejected: {verdict.reason}")
    if decision.action in EXITING:
        try:
            intents.record_exit(ctx.execution, session, cycle, decision, given.account, verdict.contracts)
        except DuplicateIntent as duplicate:
            return Next("journal", reason=f"rejected: this exit is recorded already: {duplicate}")
        return Next("execute", reason=decision.reasoning)
    plan = _plan(cycle, decision, verdict, live, market_now)
    try:
        intents.record_entry(ctx.execution, session, cycle, decision, given.instrument, live, verdict, plan)
    except DuplicateIntent as duplicate:
        return Next("journal", reason=f"rejected: another open entry: {duplicate}")
    cut = "" if verdict.reason == "approved" else f"; the gate made it smaller: {verdict.reason}"
    return Next("execute", reason=decision.reasoning + cut)


def _soft_rules(
    session: Session, cycle: DecisionCycle, decision: Decision, seen: MarketSnapshot, market_now: datetime
) -> SoftRules:
    """What the playbook that rules now allows, whichever one the analyst was shown."""
    version, playbook = active_playbook(session, cycle.account_id, market_now)
    source = source_of(session, cycle.id)
    return soft_rules(playbook, version, decision, regime=seen.regime, at=market_now, source=source)


def _plan(
    cycle: DecisionCycle, decision: Decision, verdict: Verdict, live: MarketSnapshot, market_now: datetime
) -> PositionPlan:
    assert verdict.stop_loss is not None, "the gate approves no entry without a stop"
    return PositionPlan(
        cycle_id=cycle.id,
        strategy=decision.strategy,
        entry=decision.limit_price or live.last or Decimal(0),
        stop_loss=verdict.stop_loss,
        take_profit=verdict.take_profit,
        confidence=decision.confidence,
        opened_at=market_now,
        invalidation=decision.invalidation,
        reasoning=decision.reasoning,
    )


def _stored(cycle_id: int, verdict: Verdict, given: GateInput) -> RiskVerdict:
    instrument = given.instrument
    return RiskVerdict(
        cycle_id=cycle_id,
        approved=verdict.approved,
        effect=verdict.effect,
        refused_by=[str(name) for name in verdict.refused_by],
        reason=verdict.reason,
        contracts=verdict.contracts,
        leverage=verdict.leverage,
        margin=verdict.margin,
        price=verdict.price,
        checks=[check.model_dump(mode="json") for check in verdict.checks],
        given=given.model_dump(mode="json", exclude={"instrument"})
        | {"instrument": {name: str(getattr(instrument, name)) for name in instrument.__slots__}},
    )
