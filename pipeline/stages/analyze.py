"""Analyze: the analyst's decision, whoever it is. It answers HOLD with a reason rather than failing."""

from sqlalchemy import select

from brain.analyst import DecisionRequest, RecentTrade
from models import DecisionCycle, Trade
from pipeline.context import PipelineContext
from pipeline.playbook_view import active_playbook
from pipeline.stage import Next
from pipeline.stored import stored_snapshot
from trading.decision import Action

RECENT_TRADES = 10


def analyze(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `gate` with a decision to judge; HOLD → `journal`."""
    stored = stored_snapshot(cycle)
    with ctx.execution.sessions() as session:
        version, playbook = active_playbook(session, ctx.execution.account_id)
        closed = session.scalars(
            select(Trade)
            .where(Trade.account_id == ctx.execution.account_id, Trade.closed_market_at.is_not(None))
            .order_by(Trade.closed_market_at.desc())
            .limit(RECENT_TRADES)
        ).all()
    result = ctx.analyst.decide(
        DecisionRequest(
            cycle_id=cycle.id,
            market=stored.market,
            account=stored.account,
            history=stored.history,
            playbook=playbook,
            playbook_version=version,
            research=(cycle.research or {}).get("text"),
            recent_trades=tuple(_recent(trade) for trade in closed),
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


def _recent(trade: Trade) -> RecentTrade:
    assert trade.closed_market_at is not None
    return RecentTrade(
        trade_id=trade.id,
        inst_id=trade.inst_id,
        direction=trade.side,
        strategy=trade.strategy or "",
        opened_at=trade.opened_market_at,
        closed_at=trade.closed_market_at,
        pnl=trade.net_pnl,
        r_multiple=trade.r_multiple,
        exit_reason=trade.exit_reason or "",
    )
