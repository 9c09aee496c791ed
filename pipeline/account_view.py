"""The account as the gate and the analysts see it: read fresh from the exchange, joined with what we know of it.

`read_account` does the I/O and raises `exchange.errors.ReadFailed` when the exchange cannot be read: the caller
holds. `account_snapshot` joins it with PostgreSQL inside a session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from brain.ledger import spent_today
from models import BotState, DecisionCycle, InstrumentLock, Order, Position, Trade
from pipeline.context import PipelineContext
from trading.orders import ENTRY_LEGS, OPEN_STATES, BalanceReport, OrderState, PositionReport
from trading.snapshot import AccountSnapshot, EntryIntentView, History, PositionPlan, PositionView

# An entry that never reached or never touched the exchange does not count against the hour.
NOT_AN_ENTRY = (
    OrderState.EXPIRED, OrderState.DENIED, OrderState.REJECTED, OrderState.ABSENT, OrderState.CANCELED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountReading:
    """One fresh reading of the exchange."""

    balance: BalanceReport
    positions: list[PositionReport]
    taken_at: datetime  # wall


def read_account(ctx: PipelineContext) -> AccountReading:
    """Balance and positions, now. Raises ReadFailed."""
    exchange = ctx.execution.exchange
    taken_at = ctx.execution.clock.wall_now()
    return AccountReading(exchange.balance(), exchange.positions(), taken_at)


def account_snapshot(ctx: PipelineContext, session: Session, reading: AccountReading | None) -> AccountSnapshot:
    """Join a reading with plans, open intents and locks. Without a reading, money and positions are not known."""
    account_id = ctx.execution.account_id
    state = session.get_one(BotState, account_id)
    mirror = {
        row.inst_id: row
        for row in session.scalars(select(Position).where(Position.account_id == account_id, Position.contracts != 0))
    }
    intents = session.scalars(
        select(Order).where(
            Order.account_id == account_id, Order.leg.in_(ENTRY_LEGS), Order.state.in_(OPEN_STATES)
        )
    ).all()
    locks = session.scalars(
        select(InstrumentLock.inst_id).where(
            InstrumentLock.account_id == account_id, InstrumentLock.lifted_at.is_(None)
        )
    ).all()
    return AccountSnapshot(
        taken_at=reading.taken_at if reading else ctx.execution.clock.wall_now(),
        equity=reading.balance.equity if reading else None,
        available=reading.balance.available_equity if reading else None,
        day_baseline=state.day_baseline,
        peak_equity=state.peak_equity,
        leverage=ctx.leverages,
        positions=None
        if reading is None
        else tuple(_view(report, mirror.get(report.inst_id)) for report in reading.positions),
        open_intents=tuple(
            EntryIntentView(inst_id=o.inst_id, side=o.side, margin=o.margin or Decimal(0), state=o.state)
            for o in intents
        ),
        locked_instruments=tuple(sorted(set(locks))),
    )


def _view(report: PositionReport, row: Position | None) -> PositionView:
    return PositionView(
        inst_id=report.inst_id,
        contracts=report.contracts,
        avg_px=report.avg_px,
        mark_px=report.mark_px,
        upl=report.upl,
        margin=report.margin,
        leverage=report.leverage,
        stop_px=row.stop_px if row else None,
        target_px=row.target_px if row else None,
        plan=PositionPlan.model_validate(row.plan) if row and row.plan else None,
    )


def history(ctx: PipelineContext, session: Session, market_now: datetime) -> History:
    """What the gate needs of the past."""
    account_id = ctx.execution.account_id
    state = session.get_one(BotState, account_id)
    entries = session.scalar(
        select(func.count())
        .select_from(Order)
        .join(DecisionCycle, DecisionCycle.id == Order.cycle_id)
        .where(
            Order.account_id == account_id,
            Order.leg.in_(ENTRY_LEGS),
            Order.state.not_in(NOT_AN_ENTRY),
            DecisionCycle.slot > market_now - timedelta(hours=1),
        )
    )
    exits = session.execute(
        select(Trade.inst_id, func.max(Trade.closed_market_at))
        .where(Trade.account_id == account_id, Trade.closed_market_at > market_now - timedelta(days=1))
        .group_by(Trade.inst_id)
    ).all()
    return History(
        consecutive_losses=state.consecutive_losses,
        cooldown_until=state.cooldown_until,
        entries_last_hour=entries,
        last_exit_at={inst_id: at for inst_id, at in exits if at is not None},
        model_spend_today_usd=spent_today(session, account_id, ctx.execution.clock.wall_now()),
        model_budget_usd=ctx.settings.llm_daily_budget_usd,
    )


def entries_allowed(session: Session, account_id: int) -> bool:
    """Running, not halted, reconciled since the start, and with a baseline for today's loss limit."""
    state = session.get_one(BotState, account_id)
    ready = state.reconciled_at is not None and state.day_baseline is not None
    return ready and state.state == "running" and not state.halted
