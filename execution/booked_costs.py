"""Fees and funding of our trades against the exchange's bills: a difference is a break. Read from our tables alone.

A fill and its bill must name the same fee and profit; a fill that is older than the grace must have its bill. Funding
of a trade is the funding bills of its instrument while it was open.
"""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from execution import journal
from execution.context import ExecutionContext
from models import Bill, Fill, Trade

GRACE = timedelta(minutes=2)  # wall: a bill may be listed later than its fill
RECENT = timedelta(days=1)  # wall


def fee_breaks(ctx: ExecutionContext, session: Session) -> list[tuple[str, str]]:
    """(instrument, what) for fills of ours whose bill differs or is missing."""
    now = ctx.clock.wall_now()
    bill_of = aliased(Bill)
    rows = session.execute(
        select(Fill, func.coalesce(bill_of.bill_id, ""), bill_of.fee, bill_of.pnl)
        .outerjoin(bill_of, (bill_of.account_id == Fill.account_id) & (bill_of.bill_id == Fill.bill_id))
        .where(Fill.account_id == ctx.account_id, Fill.journalled, Fill.seen_at > now - RECENT)
        .where((bill_of.id.is_(None)) | (bill_of.fee != Fill.fee) | (bill_of.pnl != Fill.pnl))
    ).all()
    found = []
    for fill, bill_id, fee, pnl in rows:
        if bill_id:
            what = f"fill {fill.trade_id} says fee {fill.fee}, profit {fill.pnl}; its bill {fee}, {pnl}"
            found.append((fill.inst_id, what))
        elif now - fill.seen_at > GRACE:
            found.append((fill.inst_id, f"fill {fill.trade_id} has no bill"))
    return found


def mend_funding(ctx: ExecutionContext, session: Session) -> list[tuple[str, str]]:
    """Trades whose funding is not what was billed while they were open; they count what was billed from now on."""
    recent = select(Trade).where(
        Trade.account_id == ctx.account_id, Trade.created_at > ctx.clock.wall_now() - RECENT
    ).with_for_update()  # fmt: skip
    found = []
    for trade in session.scalars(recent):
        billed = _funding(session, trade, inclusive=True)
        # A settlement in the very moment of opening or closing may be of this trade or of none.
        if trade.funding in (billed, _funding(session, trade, inclusive=False)):
            continue
        found.append((trade.inst_id, f"trade {trade.id} counted funding {trade.funding}, billed were {billed}"))
        trade.funding = billed
        journal.total(trade)
    return found


def _funding(session: Session, trade: Trade, *, inclusive: bool) -> Decimal:
    opened, closed = trade.opened_market_at, trade.closed_market_at
    query = select(func.coalesce(func.sum(Bill.pnl), 0)).where(
        Bill.account_id == trade.account_id, Bill.inst_id == trade.inst_id, Bill.type == journal.FUNDING,
        Bill.market_at >= opened if inclusive else Bill.market_at > opened,
    )  # fmt: skip
    if closed is not None:
        query = query.where(Bill.market_at <= closed if inclusive else Bill.market_at < closed)
    return Decimal(session.scalar(query) or 0)
