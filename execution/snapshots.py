"""Performance snapshots at the end of each hour, day and week of market time.

A slot that passed while nobody looked is skipped, not invented: equity is taken now, so it is only written for a
slot that has just ended (within half its length).
"""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import jobs
from execution.context import ExecutionContext
from models import BotState, LlmCall, PerformanceSnapshot, Position, Trade
from trading.clock import slot_close
from trading.orders import BalanceReport

logger = structlog.get_logger()
PERIOD_SECONDS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400}


def period_slot(period: str, at: datetime) -> datetime:
    """The latest end of such a period at or before `at`; weeks end on Monday 00:00 UTC."""
    if period != "weekly":
        return slot_close(at, PERIOD_SECONDS[period])
    midnight = slot_close(at, 86400)
    return midnight - timedelta(days=midnight.weekday())


def take_due_snapshots(ctx: ExecutionContext) -> list[str]:
    """Take what is due; returns the periods taken. Raises ReadFailed when the balance cannot be read."""
    market_now = ctx.clock.market_now()
    taken = []
    for period, seconds in PERIOD_SECONDS.items():
        slot = period_slot(period, market_now)
        if (market_now - slot).total_seconds() > seconds / 2 or _exists(ctx, period, slot):
            continue
        with jobs.slot(ctx, f"snapshot_{period}", slot) as mine:
            if not mine:
                continue
            balance = ctx.exchange.balance()
            with ctx.sessions.begin() as session:
                session.add(_snapshot(session, ctx.account_id, period, slot, balance))
        taken.append(period)
        logger.info("snapshot_taken", period=period, slot=slot.isoformat(), equity=str(balance.equity))
    return taken


def _exists(ctx: ExecutionContext, period: str, slot: datetime) -> bool:
    with ctx.sessions() as session:
        query = select(PerformanceSnapshot.id).where(
            PerformanceSnapshot.account_id == ctx.account_id,
            PerformanceSnapshot.period == period,
            PerformanceSnapshot.slot == slot,
        )
        return session.scalar(query) is not None


def _snapshot(
    session: Session, account_id: int, period: str, slot: datetime, balance: BalanceReport
) -> PerformanceSnapshot:
    state = session.get_one(BotState, account_id)
    closed = (Trade.account_id == account_id) & Trade.closed_market_at.is_not(None)
    count, wins, gains, losses, net, fees, funding = session.execute(
        select(
            func.count(),
            func.count().filter(Trade.net_pnl > 0),
            func.coalesce(func.sum(Trade.net_pnl).filter(Trade.net_pnl > 0), 0),
            func.coalesce(func.sum(Trade.net_pnl).filter(Trade.net_pnl < 0), 0),
            func.coalesce(func.sum(Trade.net_pnl), 0),
            func.coalesce(func.sum(Trade.fees), 0),
            func.coalesce(func.sum(Trade.funding), 0),
        ).where(closed)
    ).one()
    open_positions = session.scalar(
        select(func.count()).select_from(Position).where(Position.account_id == account_id, Position.contracts != 0)
    )
    cost = session.scalar(
        select(func.coalesce(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)), 0)).where(
            LlmCall.account_id == account_id
        )
    )
    peak = state.peak_equity
    return PerformanceSnapshot(
        account_id=account_id,
        period=period,
        slot=slot,
        equity=balance.equity,
        cash=balance.cash,
        upl=balance.upl,
        day_pnl=balance.equity - state.day_baseline if state.day_baseline is not None else None,
        drawdown_pct=max(Decimal(0), (peak - balance.equity) / peak * 100) if peak else None,
        open_positions=open_positions,
        trades_closed=count,
        net_pnl_total=net,
        fees_total=fees,
        funding_total=funding,
        win_rate=Decimal(wins) / count if count else None,
        profit_factor=gains / -losses if losses else None,
        llm_cost_usd=cost,
    )
