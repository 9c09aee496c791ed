"""The account as the gate and the analysts see it: read fresh from the exchange, joined with what we know of it.

`read_account` does the I/O and raises `exchange.errors.ReadFailed` when the exchange cannot be read: the caller
holds. `account_snapshot` joins it with PostgreSQL inside a session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, select
from sqlalchemy.orm import Session

from brain.ledger import spent_since
from models import BotState, DecisionCycle, InstrumentLock, Order, Position, Trade
from pipeline.context import PipelineContext
from trading.clock import slot_close
from trading.orders import ENTRY_LEGS, OPEN_STATES, BalanceReport, OrderState, PositionReport
from trading.snapshot import AccountSnapshot, EntryIntentView, History, PositionPlan, PositionView

# An entry that never reached or never touched the exchange does not count against the hour.
NOT_AN_ENTRY = (
    OrderState.EXPIRED, OrderState.DENIED, OrderState.REJECTED, OrderState.ABSENT, OrderState.CANCELED,
)  # fmt: skip


# Statements are built once: composing them each time costs as much as running them.
_ACCOUNT: BindParameter[Any] = bindparam("account_id")
_SINCE_HOUR: BindParameter[Any] = bindparam("since_hour")
_SINCE_DAY: BindParameter[Any] = bindparam("since_day")
_MIDNIGHT: BindParameter[Any] = bindparam("midnight")
_ENTRIES = (
    select(func.count())
    .select_from(Order)
    .join(DecisionCycle, DecisionCycle.id == Order.cycle_id)
    .where(
        Order.account_id == _ACCOUNT,
        Order.leg.in_(ENTRY_LEGS),
        Order.state.not_in(NOT_AN_ENTRY),
        DecisionCycle.slot > _SINCE_HOUR,
    )
    .scalar_subquery()
)
_PAST = select(
    BotState.consecutive_losses, BotState.cooldown_until, _ENTRIES, spent_since(_ACCOUNT, _MIDNIGHT).scalar_subquery()
).where(BotState.account_id == _ACCOUNT)
_EXITS = (
    select(Trade.inst_id, func.max(Trade.closed_market_at))
    .where(Trade.account_id == _ACCOUNT, Trade.closed_market_at > _SINCE_DAY)
    .group_by(Trade.inst_id)
)
_STATE = select(
    BotState.day_baseline,
    BotState.peak_equity,
    select(func.array_agg(InstrumentLock.inst_id))
    .where(InstrumentLock.account_id == _ACCOUNT, InstrumentLock.lifted_at.is_(None))
    .scalar_subquery(),
).where(BotState.account_id == _ACCOUNT)
_POSITIONS = select(Position.inst_id, Position.stop_px, Position.target_px, Position.plan).where(
    Position.account_id == _ACCOUNT, Position.contracts != 0
)
_INTENTS = select(Order.inst_id, Order.side, Order.margin, Order.state).where(
    Order.account_id == _ACCOUNT, Order.leg.in_(ENTRY_LEGS), Order.state.in_(OPEN_STATES)
)


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
    given = {"account_id": ctx.execution.account_id}
    baseline, peak, locks = session.execute(_STATE, given).one()
    mirror = {row.inst_id: row for row in session.execute(_POSITIONS, given)}
    intents = session.execute(_INTENTS, given).all()
    return AccountSnapshot(
        taken_at=reading.taken_at if reading else ctx.execution.clock.wall_now(),
        equity=reading.balance.equity if reading else None,
        available=reading.balance.available_equity if reading else None,
        day_baseline=baseline,
        peak_equity=peak,
        leverage=ctx.leverages,
        positions=None
        if reading is None
        else tuple(_view(report, mirror.get(report.inst_id)) for report in reading.positions),
        # An entry whose margin is not on record makes the total unknown, and the gate refuses.
        open_intents=None
        if any(intent.margin is None for intent in intents)
        else tuple(EntryIntentView.model_validate(intent._asdict()) for intent in intents),
        locked_instruments=tuple(sorted(set(locks or ()))),
    )


def _view(report: PositionReport, row: Any | None) -> PositionView:
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
    given = {
        "account_id": ctx.execution.account_id,
        "since_hour": market_now - timedelta(hours=1),
        "since_day": market_now - timedelta(days=1),
        "midnight": slot_close(ctx.execution.clock.wall_now(), 86400),
    }
    losses, cooldown_until, entries, spent = session.execute(_PAST, given).one()
    exits = session.execute(_EXITS, given).all()
    return History(
        consecutive_losses=losses,
        cooldown_until=cooldown_until,
        entries_last_hour=entries,
        last_exit_at={inst_id: at for inst_id, at in exits if at is not None},
        model_spend_today_usd=spent,
        model_budget_usd=ctx.settings.llm_daily_budget_usd,
    )


def entries_allowed(session: Session, account_id: int) -> bool:
    """Running, not halted, reconciled since the start, and with a baseline for today's loss limit."""
    state = session.get_one(BotState, account_id)
    ready = state.reconciled_at is not None and state.day_baseline is not None
    return ready and state.state == "running" and not state.halted
