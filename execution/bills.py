"""Changes of the cash balance as the exchange booked them, each once: funding to its trade, transfers out of equity."""

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from execution import journal, outbox
from execution.context import ExecutionContext
from models import Bill, BotState
from trading.orders import BillReport

logger = structlog.get_logger()

TRANSFER = "1"


def ingest_bills(ctx: ExecutionContext) -> list[str]:
    """Read and store the bills since the last one known; returns breaks in the chain of balances. Raises ReadFailed."""
    with ctx.sessions() as session:
        known = select(Bill).where(Bill.account_id == ctx.account_id).order_by(Bill.id.desc()).limit(1)
        last = session.scalars(known).one_or_none()
        last_usdt = session.scalars(known.where(Bill.ccy == "USDT")).one_or_none()
    reports = ctx.exchange.bills(last.bill_id if last is not None else None)
    breaks: list[str] = []
    balance = last_usdt.balance if last_usdt is not None else None
    first = last is None
    for report in reversed(reports):
        if report.ccy != "USDT":
            _store(ctx, report, before_us=first)
            continue
        if balance is not None and balance + report.balance_change != report.balance:
            breaks.append(f"bill {report.bill_id}: {balance} + {report.balance_change} is not {report.balance}")
        balance = report.balance
        _store(ctx, report, before_us=first)
    return breaks


def _store(ctx: ExecutionContext, report: BillReport, *, before_us: bool) -> None:
    with outbox.transaction(ctx) as session:
        written = session.execute(
            insert(Bill)
            .values(
                account_id=ctx.account_id,
                bill_id=report.bill_id,
                type=report.type,
                sub_type=report.sub_type,
                ccy=report.ccy,
                inst_id=report.inst_id,
                balance_change=report.balance_change,
                balance=report.balance,
                pnl=report.pnl,
                fee=report.fee,
                sz_contracts=report.sz_contracts,
                px=report.px,
                ord_id=report.ord_id,
                market_at=report.at,
            )
            .on_conflict_do_nothing()
            .returning(Bill)
        ).scalar_one_or_none()
        if written is None:
            return
        if report.type == journal.FUNDING:
            journal.count_funding(session, written)
        # Transfers before the first look are part of the equity the limits start from.
        if report.type == TRANSFER and not before_us:
            state = session.get_one(BotState, ctx.account_id, with_for_update=True)
            state.transfers_total += report.balance_change
            logger.info("transfer_booked", amount=str(report.balance_change), bill_id=report.bill_id)
