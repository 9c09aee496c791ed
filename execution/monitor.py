"""The account monitor: equity against the day's baseline and the peak, without waiting for a decision.

Equity is net of transfers, USDT; the day is the UTC day of market time. Pushes may only find a breach; a settled
observation (reconciliation: bills were read first) also raises the peak, so that a deposit is never taken for profit.
A midnight that was not observed is rebuilt from bills while the account was flat; otherwise there is no baseline and
entries stay refused until the next midnight or `resume`.
"""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import bills, halting, notices, outbox
from execution.breach import breach_of
from execution.context import ExecutionContext
from execution.tightening import limits_in_force
from models import Bill, BotState, Position, Trade
from trading.clock import wall_now

logger = structlog.get_logger()

NEAR_MIDNIGHT = timedelta(minutes=15)  # market time: an observation this close stands for midnight
TRANSFER = "1"  # bill type


def observe(ctx: ExecutionContext, equity: Decimal, at: datetime, *, settled: bool = False) -> str | None:
    """Take note of `equity` (gross, as the exchange reports it) at market time `at`; returns the halt it caused."""
    breach = _note(ctx, equity, at, settled)
    if breach is None:
        return None
    if not settled:
        # A withdrawal looks like a loss until its bill is known.
        try:
            bills.ingest_bills(ctx)
        except ReadFailed as failure:
            logger.warning("breach_not_verified", reason=str(failure))
        breach = _note(ctx, equity, at, settled=False)
        if breach is None:
            return None
    kind, reason = breach
    halting.halt(ctx, reason=reason, kind=kind, actor="account monitor", channel="bot")
    return kind


def add_naked_time(ctx: ExecutionContext, session: Session, row: Position, now: datetime) -> None:
    """A position stopped being uncovered at `now` (wall)."""
    assert row.uncovered_since is not None
    count_naked(ctx, session, row, now - row.uncovered_since)
    row.uncovered_since = None


def count_naked(ctx: ExecutionContext, session: Session, row: Position, span: timedelta) -> None:
    """The seconds (wall) go to the position and to the total."""
    seconds = Decimal(str(round(span.total_seconds(), 3)))
    row.naked_seconds += seconds
    state = session.get_one(BotState, ctx.account_id, with_for_update=True)
    state.naked_seconds_total += seconds
    logger.warning("position_was_uncovered", inst_id=row.inst_id, seconds=str(seconds))


def _note(ctx: ExecutionContext, equity: Decimal, at: datetime, settled: bool) -> tuple[str, str] | None:
    with outbox.transaction(ctx) as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        if state.equity_market_at is not None and at < state.equity_market_at:
            return None
        net = equity - state.transfers_total
        begins = state.day != at.astimezone(UTC).date()
        if begins:
            _new_day(ctx, session, state, net, at)
        state.equity, state.equity_market_at, state.equity_at = net, at, wall_now()
        if state.peak_equity is None or (settled and net > state.peak_equity):
            state.peak_equity = net
        if begins and state.day_baseline is not None:
            state.peak_equity = max(state.peak_equity, state.day_baseline)  # no day starts above the peak
        if state.halted:
            return None
        limits = limits_in_force(session, ctx.account_id, ctx.settings)
        return breach_of(state, limits["daily_loss_halt_pct"], limits["drawdown_halt_pct"])


def _new_day(ctx: ExecutionContext, session: Session, state: BotState, net: Decimal, at: datetime) -> None:
    day = at.astimezone(UTC).date()
    midnight = datetime.combine(day, time(), UTC)
    state.day = day
    state.day_baseline = _baseline(session, state, net, at, midnight)
    if state.day_baseline is None:
        message = f"no baseline for {day}: the account was not observed at 00:00 UTC and was not flat; no entries today"
        notices.alert(session, ctx.account_id, "baseline_missing", "WARN", message, market_at=at)
    else:
        logger.info("day_started", day=day.isoformat(), baseline=str(state.day_baseline))


def _baseline(session: Session, state: BotState, net: Decimal, at: datetime, midnight: datetime) -> Decimal | None:
    seen = state.equity_market_at
    if state.equity is not None and seen is not None and midnight - seen <= NEAR_MIDNIGHT:
        return state.equity
    if at - midnight <= NEAR_MIDNIGHT:
        return net
    account_id = state.account_id
    held = session.scalar(
        select(Position.id).where(Position.account_id == account_id, Position.contracts != 0).limit(1)
    )
    held_over = session.scalar(
        select(Trade.id)
        .where(
            Trade.account_id == account_id,
            Trade.opened_market_at < midnight,
            (Trade.closed_market_at.is_(None)) | (Trade.closed_market_at > midnight),
        )
        .limit(1)
    )
    if held is not None or held_over is not None:
        return None
    changed = session.scalar(
        select(func.coalesce(func.sum(Bill.pnl + Bill.fee), 0)).where(
            Bill.account_id == account_id, Bill.market_at >= midnight, Bill.type != TRANSFER
        )
    )
    return net - Decimal(changed or 0)
