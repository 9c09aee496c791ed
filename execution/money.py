"""The account's money day by day: what equity changed by must be what the exchange booked, to the last digit.

A sight of the account is settled when no bill was booked while the balance was read; then equity less unrealised profit
is exactly the sum of all bills. A day runs from its first settled sight to that of the next UTC day of market time, so
every bill belongs to one day.
"""

from datetime import UTC, datetime
from decimal import Decimal

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import bills
from execution.break_log import one_at_a_time
from execution.context import ExecutionContext
from models import Bill, MoneyDay
from trading.money import Money, of_bill
from trading.orders import BalanceReport

logger = structlog.get_logger()

TRIES = 3


def settle(ctx: ExecutionContext) -> list[str]:
    """Read bills and balance until they agree in time, and account for the day; returns breaks. Raises ReadFailed.

    An account too busy to be seen settled in three tries is left for the next time.
    """
    breaks: list[str] = []
    for _ in range(TRIES):
        before = _newest(ctx)
        at = ctx.clock.market_now()
        balance = ctx.exchange.balance()
        breaks += bills.ingest_bills(ctx)
        if _newest(ctx) == before:
            return breaks + _account(ctx, balance, at, before)
    logger.info("money_not_settled")
    return breaks


def _account(ctx: ExecutionContext, balance: BalanceReport, at: datetime, newest: int | None) -> list[str]:
    today = at.astimezone(UTC).date()
    with ctx.sessions.begin() as session:
        one_at_a_time(session, ctx.account_id)
        day = session.scalars(
            select(MoneyDay)
            .where(MoneyDay.account_id == ctx.account_id)
            .order_by(MoneyDay.day.desc())
            .limit(1)
            .with_for_update()
        ).one_or_none()
        if day is None:
            session.add(_opened(ctx, today, balance, at, newest))
            return []
        if newest is not None and day.closing_bill_id is not None and newest < day.closing_bill_id:
            return []  # somebody else has seen more
        _carry(session, day, balance, at, newest)
        if today > day.day:
            day.closed = True
            session.add(_opened(ctx, today, balance, at, newest))
            logger.info("money_day_closed", day=day.day.isoformat(), difference=str(day.difference))
        if day.difference == 0:
            return []
        changed = day.closing_equity - day.opening_equity
        return [f"{day.day}: equity changed by {changed:f} USDT, of which bills do not explain {day.difference:f}"]


def _carry(session: Session, day: MoneyDay, balance: BalanceReport, at: datetime, newest: int | None) -> None:
    """Add what was booked since, and see whether the sides are equal."""
    booked = Money(day.realised, day.fees, day.funding, day.liquidation, day.transfers, day.other)
    since = Bill.id > (day.closing_bill_id or 0), Bill.id <= (newest or 0)
    for bill in session.scalars(select(Bill).where(Bill.account_id == day.account_id, Bill.ccy == "USDT", *since)):
        booked += of_bill(bill.type, bill.balance_change, bill.pnl, bill.fee, bill.sz_contracts)
    day.realised, day.fees, day.funding = booked.realised, booked.fees, booked.funding
    day.liquidation, day.transfers, day.other = booked.liquidation, booked.transfers, booked.other
    day.closing_market_at, day.closing_bill_id = at, newest
    day.closing_equity, day.closing_upl = balance.equity, balance.upl
    unrealised = day.closing_upl - day.opening_upl
    day.difference = (day.closing_equity - day.opening_equity) - (booked.total + unrealised)


def _opened(ctx: ExecutionContext, today: object, balance: BalanceReport, at: datetime, newest: int | None) -> MoneyDay:
    zero = Decimal(0)
    return MoneyDay(
        account_id=ctx.account_id, day=today, opened_market_at=at, opening_bill_id=newest,
        opening_equity=balance.equity, opening_upl=balance.upl, realised=zero, fees=zero, funding=zero,
        liquidation=zero, transfers=zero, other=zero, closing_market_at=at, closing_bill_id=newest,
        closing_equity=balance.equity, closing_upl=balance.upl, difference=zero, closed=False,
    )  # fmt: skip


def _newest(ctx: ExecutionContext) -> int | None:
    with ctx.sessions() as session:
        return session.scalar(select(func.max(Bill.id)).where(Bill.account_id == ctx.account_id))
