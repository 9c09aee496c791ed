"""Analyze: the analyst's decision, whoever it is. It answers HOLD with a reason rather than failing."""

from sqlalchemy import bindparam, func, select

from brain.analyst import DecisionRequest, RecentTrade
from models import DecisionCycle, Trade
from models.session import at_once
from pipeline.context import PipelineContext
from pipeline.playbook_view import active_playbook
from pipeline.stage import Next
from pipeline.stored import stored_snapshot
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


def analyze(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `gate` with a decision to judge; HOLD → `journal`."""
    stored = stored_snapshot(cycle)
    account_id = ctx.execution.account_id
    with at_once(ctx.execution.sessions) as connection:
        version, playbook = active_playbook(connection, account_id)
        closed = connection.execute(_RECENT, {"account_id": account_id}).all()
    result = ctx.analyst.decide(
        DecisionRequest(
            cycle_id=cycle.id,
            market=stored.market,
            account=stored.account,
            history=stored.history,
            playbook=playbook,
            playbook_version=version,
            research=(cycle.research or {}).get("text"),
            recent_trades=tuple(RecentTrade(**trade._mapping) for trade in closed),
        )
    )
    decision = result.decision
    values = {
        "decision": decision.model_dump(mode="json"),
        "decided_at": ctx.execution.clock.wall_now(),
        "playbook_version": version,
    }
    if decision.action is Action.HOLD:
        return Next("journal", values, reason=result.reason or decision.reasoning)
    return Next("gate", values)
