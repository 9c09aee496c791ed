"""I8 to I10: limits, clocks and data. Questions to our books, answered by findings; none asks the exchange itself."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from execution.breach import breach_of
from execution.break_log import Finding
from execution.context import ExecutionContext
from execution.invariant_rules import Invariant as _I
from execution.locks import LockReason
from execution.market_freshness import stale_candles
from models import BotState, InstrumentLock, Order, Position

MOST_SKEW_S = Decimal(1)
SKEW_KNOWN_FOR = timedelta(minutes=5)
ACCOUNT_FRESH_FOR = timedelta(minutes=3)
ORDERS_PER_MINUTE = 60


def within_limits(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I8. Margin may outgrow its share as equity falls, but not beyond what the drawdown halt allows."""
    settings, state = ctx.settings, session.get_one(BotState, ctx.account_id)
    ours = _our_positions(ctx, session)
    found = []
    margin = sum((row.margin for row in ours), Decimal(0))
    if state.equity is not None:
        share = settings.max_total_margin_pct / (1 - settings.drawdown_halt_pct / 100) / 100
        if margin > state.equity * share:
            found.append(Finding(_I.WITHIN_LIMITS, "", f"margin {margin:.2f} is over {state.equity * share:.2f} USDT"))
    most = max(Decimal(settings.leverage), settings.max_leverage)
    found += [
        Finding(_I.WITHIN_LIMITS, row.inst_id, f"leverage {row.leverage} is over {most}")
        for row in ours
        if row.leverage is not None and row.leverage > most
    ]
    breach = breach_of(state, settings.daily_loss_halt_pct, settings.drawdown_halt_pct)
    if breach is not None and not state.halted:
        found.append(Finding(_I.WITHIN_LIMITS, "", f"{breach[1]}, and the bot is not halted"))
    speed = getattr(settings, "paper_speed", 1)
    sent = session.scalar(
        select(func.count())
        .select_from(Order)
        .where(Order.account_id == ctx.account_id, Order.submitted_at > ctx.clock.wall_now() - timedelta(minutes=1))
    )
    if speed != "lockstep" and (sent or 0) > ORDERS_PER_MINUTE * max(1.0, float(speed)):
        found.append(Finding(_I.WITHIN_LIMITS, "", f"{sent} orders sent within a minute"))
    return found


def clock_agrees(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I9: as measured last; not measured for long is as bad."""
    state, now = session.get_one(BotState, ctx.account_id), ctx.clock.wall_now()
    since = max((at for at in (state.clock_skew_at, state.started_at) if at is not None), default=None)
    if since is None or now - since > SKEW_KNOWN_FOR:
        return [Finding(_I.CLOCK_AGREES, "", "the difference to the exchange's clock has not been measured for long")]
    if state.clock_skew_s is not None and abs(state.clock_skew_s) > MOST_SKEW_S:
        return [Finding(_I.CLOCK_AGREES, "", f"the exchange's clock is {state.clock_skew_s:+.3f} s from ours")]
    return []


def data_is_fresh(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I10: the account as last observed, and the newest confirmed candle of every instrument."""
    state, now = session.get_one(BotState, ctx.account_id), ctx.clock.wall_now()
    if state.started_at is None or now - state.started_at < ACCOUNT_FRESH_FOR:
        return []
    found = [Finding(_I.DATA_IS_FRESH, inst_id, what) for inst_id, what in stale_candles(ctx, session)]
    seen: datetime | None = state.equity_at
    if seen is None or now - seen > ACCOUNT_FRESH_FOR:
        found.append(Finding(_I.DATA_IS_FRESH, "", "the account has not been observed for three minutes"))
    return found


def _our_positions(ctx: ExecutionContext, session: Session) -> list[Position]:
    foreign = exists().where(
        InstrumentLock.account_id == Position.account_id,
        InstrumentLock.inst_id == Position.inst_id,
        InstrumentLock.reason == LockReason.FOREIGN_POSITION,
        InstrumentLock.lifted_at.is_(None),
    )
    query = select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0, ~foreign)
    return list(session.scalars(query.order_by(Position.id)))
