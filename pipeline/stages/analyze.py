"""Analyze: the analyst's decision, whoever it is. It answers HOLD with a reason rather than failing."""

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from brain.analyst import DecisionRequest, DecisionResult, RecentTrade
from execution import notices
from models import DecisionCycle, Trade
from models.session import at_once
from pipeline.context import PipelineContext
from pipeline.playbook_view import active_playbook
from pipeline.stage import Next
from pipeline.stored import stored_findings, stored_snapshot
from trading.decision import Action

RECENT_TRADES = 10
# Columns by the names of RecentTrade's fields.
_RECENT = (
    select(
        Trade.id.label("trade_id"),
        Trade.inst_id,
        Trade.side.label("direction"),
        func.coalesce(Trade.strategy, "").label("strategy"),
        Trade.opened_market_at.label("opened_at"),
        Trade.closed_market_at.label("closed_at"),
        Trade.net_pnl.label("pnl"),
        Trade.r_multiple,
        func.coalesce(Trade.exit_reason, "").label("exit_reason"),
    )
    .where(Trade.account_id == bindparam("account_id"), Trade.closed_market_at.is_not(None))
    .order_by(Trade.closed_market_at.desc())
    .limit(RECENT_TRADES)
)


SPENT, REMINDED_EVERY_S = "model_budget_spent", 6 * 3600


def analyze(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `gate` with a decision to judge; HOLD → `journal`."""
    stored = stored_snapshot(cycle)
    account_id = ctx.execution.account_id
    with at_once(ctx.execution.sessions) as connection:
        version, playbook = active_playbook(connection, account_id, stored.market.market_at)
        closed = connection.execute(_RECENT, {"account_id": account_id}).all()
    result = ctx.analyst.decide(
        DecisionRequest(
            cycle_id=cycle.id,
            market=stored.market,
            account=stored.account,
            history=stored.history,
            playbook=playbook,
            playbook_version=version,
            research=stored_findings(cycle),
            recent_trades=tuple(RecentTrade(**trade._mapping) for trade in closed),
        )
    )
    decision = result.decision
    values = {
        "decision": decision.model_dump(mode="json"),
        "decided_at": ctx.execution.clock.wall_now(),
        "playbook_version": version,
    }
    if result.considered is not None:
        values["considered"] = result.considered | {"decided": result.outcome == "decided"}
    if result.budget_spent:
        return Next("journal", values, reason=result.reason, write=lambda session, _row: _tell(ctx, session, result))
    if decision.action is Action.HOLD:
        return Next("journal", values, reason=result.reason or decision.reasoning)
    return Next("gate", values)


def _tell(ctx: PipelineContext, session: Session, result: DecisionResult) -> None:
    """Without a budget nothing is opened until 00:00 UTC; positions keep their stops."""
    notices.alert_once(
        session, ctx.execution.account_id, SPENT, "WARN", f"{result.reason}; no entries until 00:00 UTC, stops stay",
        within_s=REMINDED_EVERY_S, now=ctx.execution.clock.wall_now(),
    )  # fmt: skip
