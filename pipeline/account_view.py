"""The account as the gate and the analysts see it: read fresh from the exchange, joined with what we know of it.

`read_account` does the I/O and raises `exchange.errors.ReadFailed` when the exchange cannot be read: the caller
holds. `account_view` joins it with PostgreSQL.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, Text, bindparam, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from brain.ledger import spent_since
from execution.entries import refused_now
from models import BotState, DecisionCycle, InstrumentLock, LimitOverride, Order, Position, Trade
from pipeline.context import PipelineContext
from trading.clock import slot_close
from trading.orders import ENTRY_LEGS, OPEN_STATES, BalanceReport, OrderState, PositionReport
from trading.snapshot import AccountSnapshot, EntryIntentView, History, PositionPlan, PositionView

# An entry that never reached the exchange, or was gone without a fill, does not count against the hour.
NOT_AN_ENTRY = (
    OrderState.EXPIRED, OrderState.DENIED, OrderState.REJECTED, OrderState.ABSENT, OrderState.CANCELED,
)  # fmt: skip
A_DAY = timedelta(days=1)


# The statement is built once: composing it each time costs as much as running it.
_ACCOUNT: BindParameter[Any] = bindparam("account_id")
_SINCE_HOUR: BindParameter[Any] = bindparam("since_hour")
_EXITS_SINCE: BindParameter[Any] = bindparam("exits_since")
_READ_AT: BindParameter[Any] = bindparam("read_at")
_MIDNIGHT: BindParameter[Any] = bindparam("midnight")
_ENTRIES = (
    select(func.count())
    .select_from(Order)
    .join(DecisionCycle, DecisionCycle.id == Order.cycle_id)
    .where(
        Order.account_id == _ACCOUNT,
        Order.leg.in_(ENTRY_LEGS),
        or_(Order.state.not_in(NOT_AN_ENTRY), Order.acc_fill_sz_contracts > 0),
        DecisionCycle.slot > _SINCE_HOUR,
    )
    .scalar_subquery()
)
_LOCKS = (
    select(func.array_agg(InstrumentLock.inst_id))
    .where(InstrumentLock.account_id == _ACCOUNT, InstrumentLock.lifted_at.is_(None))
    .scalar_subquery()
)
# Amounts as text: a JSON number would come back as a float.
_POSITIONS = (
    select(
        func.jsonb_object_agg(
            Position.inst_id,
            func.jsonb_build_object(
                "stop_px", cast(Position.stop_px, Text), "target_px", cast(Position.target_px, Text),
                "plan", Position.plan,
            ),
            type_=JSONB,
        )
    )
    .where(Position.account_id == _ACCOUNT, Position.contracts != 0)
    .scalar_subquery()
)  # fmt: skip
_INTENTS = (
    select(
        func.jsonb_agg(
            func.jsonb_build_object(
                "inst_id", Order.inst_id, "side", Order.side, "margin", cast(Order.margin, Text), "state", Order.state
            ),
            type_=JSONB,
        )
    )
    .where(Order.account_id == _ACCOUNT, Order.leg.in_(ENTRY_LEGS), Order.state.in_(OPEN_STATES))
    .scalar_subquery()
)
_LAST_EXITS = (
    select(Trade.inst_id, func.max(Trade.closed_market_at).label("at"))
    .where(Trade.account_id == _ACCOUNT, Trade.closed_market_at > _EXITS_SINCE)
    .group_by(Trade.inst_id)
    .subquery()
)
_EXITS = select(func.jsonb_object_agg(_LAST_EXITS.c.inst_id, _LAST_EXITS.c.at, type_=JSONB)).scalar_subquery()
_OVERRIDES = (
    select(func.jsonb_object_agg(LimitOverride.key, LimitOverride.value, type_=JSONB))
    .where(LimitOverride.account_id == _ACCOUNT)
    .scalar_subquery()
)
# An entry that ended since: no open intent any more, and perhaps not yet in a reading of then.
_ENTERED = (
    select(Order.id)
    .where(
        Order.account_id == _ACCOUNT, Order.leg.in_(ENTRY_LEGS),
        Order.resolved_at >= _READ_AT, Order.acc_fill_sz_contracts > 0,
    )
    .exists()
)  # fmt: skip
_KNOWN: Select[*tuple[Any, ...]] = select(
    BotState.state,
    BotState.halted,
    BotState.halt_reason,
    BotState.reconciled_at,
    BotState.entries_blocked,
    BotState.protection_seen_at,
    _ENTERED.label("entered_since"),
    # Kept net of transfers; the exchange's equity contains them.
    (BotState.day_baseline + BotState.transfers_total).label("day_baseline"),
    (BotState.peak_equity + BotState.transfers_total).label("peak_equity"),
    BotState.day,
    BotState.consecutive_losses,
    BotState.cooldown_until,
    _LOCKS.label("locks"),
    _POSITIONS.label("positions"),
    _INTENTS.label("intents"),
    _ENTRIES.label("entries"),
    _EXITS.label("exits"),
    _OVERRIDES.label("overrides"),
    spent_since(_ACCOUNT, _MIDNIGHT).scalar_subquery().label("spent"),
).where(BotState.account_id == _ACCOUNT)


@dataclass(frozen=True, slots=True)
class AccountReading:
    """One fresh reading of the exchange."""

    balance: BalanceReport
    positions: list[PositionReport]
    taken_at: datetime  # wall


@dataclass(frozen=True, slots=True)
class AccountView:
    """The account and its past, and whether it may enter."""

    account: AccountSnapshot
    history: History
    entries_refused_for: str | None  # None: entries are allowed
    protection_seen_at: datetime | None  # wall
    limit_overrides: dict[str, str]  # limits tightened by hand
    entered_since: bool  # an entry was filled since the reading was taken
    taken_at: datetime  # wall


def read_account(ctx: PipelineContext) -> AccountReading:
    """Balance and positions, now. Raises ReadFailed."""
    exchange = ctx.execution.exchange
    taken_at = ctx.execution.clock.wall_now()
    return AccountReading(exchange.balance(), exchange.positions(), taken_at)


def account_view(
    ctx: PipelineContext, session: Session | Connection, reading: AccountReading | None, market_now: datetime
) -> AccountView:
    """Join a reading with what PostgreSQL knows, in one statement.

    Without a reading, money and positions are not known.
    """
    now = ctx.execution.clock.wall_now()
    given = {
        "account_id": ctx.execution.account_id,
        "since_hour": market_now - timedelta(hours=1),
        "exits_since": market_now - max(A_DAY, timedelta(minutes=ctx.limits.reentry_cooldown_min)),
        "midnight": slot_close(now, 86400),
        "read_at": reading.taken_at if reading else now,
    }
    known = session.execute(_KNOWN, given).one()
    return AccountView(
        account=_account(ctx, reading, known),
        history=_history(ctx, known),
        entries_refused_for=refused[1] if (refused := refused_now(known, now)) else None,
        protection_seen_at=known.protection_seen_at,
        limit_overrides=known.overrides or {},
        entered_since=known.entered_since,
        taken_at=now,
    )


def _account(ctx: PipelineContext, reading: AccountReading | None, known: Row[*tuple[Any, ...]]) -> AccountSnapshot:
    mirror, intents = known.positions or {}, known.intents or []
    return AccountSnapshot(
        taken_at=reading.taken_at if reading else ctx.execution.clock.wall_now(),
        equity=reading.balance.equity if reading else None,
        available=reading.balance.available_equity if reading else None,
        day_baseline=known.day_baseline,
        baseline_day=known.day,
        peak_equity=known.peak_equity,
        leverage=ctx.leverages,
        positions=None
        if reading is None
        else tuple(_view(report, mirror.get(report.inst_id, {})) for report in reading.positions),
        # An entry whose margin is not on record makes the total unknown, and the gate refuses.
        open_intents=None
        if any(intent["margin"] is None for intent in intents)
        else tuple(EntryIntentView.model_validate(intent) for intent in intents),
        locked_instruments=tuple(sorted(set(known.locks or ()))),
    )


def _history(ctx: PipelineContext, known: Row[*tuple[Any, ...]]) -> History:
    return History(
        consecutive_losses=known.consecutive_losses,
        cooldown_until=known.cooldown_until,
        entries_last_hour=known.entries,
        last_exit_at={inst_id: datetime.fromisoformat(at) for inst_id, at in (known.exits or {}).items()},
        model_spend_today_usd=known.spent,
        model_budget_usd=ctx.settings.llm_daily_budget_usd,
    )


def _view(report: PositionReport, mirrored: dict[str, Any]) -> PositionView:
    return PositionView(
        inst_id=report.inst_id,
        contracts=report.contracts,
        avg_px=report.avg_px,
        mark_px=report.mark_px,
        upl=report.upl,
        margin=report.margin,
        leverage=report.leverage,
        stop_px=_decimal(mirrored.get("stop_px")),
        target_px=_decimal(mirrored.get("target_px")),
        plan=PositionPlan.model_validate(mirrored["plan"]) if mirrored.get("plan") else None,
    )


def _decimal(written: str | None) -> Decimal | None:
    return None if written is None else Decimal(written)
