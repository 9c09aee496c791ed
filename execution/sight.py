"""One reading of the whole account, for reconciliation: everything first, then the judgement."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from execution.context import ExecutionContext
from models import Fill
from trading.orders import AlgoReport, BalanceReport, FillReport, OrderReport, PositionReport

OVERLAP = timedelta(minutes=5)  # market time: fills are read again this far back

UNBILLED_FOR = timedelta(hours=1)  # wall


@dataclass(frozen=True)
class Sight:
    """Everything read of the exchange, and when the reading of each began (wall)."""

    pending: list[OrderReport]
    algos: list[AlgoReport]
    fills: list[FillReport]
    positions: list[PositionReport]
    balance: BalanceReport
    balance_at: datetime  # market
    positions_as_of: datetime
    algos_as_of: datetime


def read_account(ctx: ExecutionContext) -> Sight:
    """Read it all. Raises ReadFailed."""
    exchange, now = ctx.exchange, ctx.clock.wall_now
    pending = exchange.orders_pending()
    algos_as_of = now()
    algos = exchange.algos_pending()
    positions_as_of = now()
    positions = exchange.positions()
    # Fills last: whatever made or closed a position read above is among them.
    fills = exchange.fills(since=_fills_since(ctx))
    balance_at = ctx.clock.market_now()  # the report's own time is that of its last change
    balance = exchange.balance()
    return Sight(pending, algos, fills, positions, balance, balance_at, positions_as_of, algos_as_of)


def _fills_since(ctx: ExecutionContext) -> datetime | None:
    """Market time: a while before the newest fill, or the oldest that a push brought and whose bill is not known."""
    with ctx.sessions() as session:
        ours = Fill.account_id == ctx.account_id
        newest = session.scalar(select(func.max(Fill.market_at)).where(ours))
        without = session.scalar(
            select(func.min(Fill.market_at)).where(
                ours, Fill.bill_id == "", Fill.seen_at > ctx.clock.wall_now() - UNBILLED_FOR
            )
        )
    if newest is None:
        return None
    return newest - OVERLAP if without is None else min(newest - OVERLAP, without)
