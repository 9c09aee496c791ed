"""Entries that rest on the book: cancelled when their decision is too old or entries are not allowed any more.

What fills before the rest is a position like any other: protection gives it a position-level stop at once, for the stop
that rides in the entry comes to life with the last fill only. A cancellation is judged by what the exchange then shows
of the order, and asked for again with the next look.
"""

import structlog
from sqlalchemy import ColumnElement, and_, select

from exchange.errors import ReadFailed
from execution import mirror
from execution.context import ExecutionContext
from models import BotState, Order
from trading.orders import ENTRY_LEGS, OrderState

logger = structlog.get_logger()


def rests() -> ColumnElement[bool]:
    """Rows of entries that lie on the book."""
    return and_(
        Order.leg.in_(ENTRY_LEGS),
        Order.ord_type == "limit",
        Order.state.in_((OrderState.LIVE, OrderState.PARTIALLY_FILLED)),
    )


def cancel_due(ctx: ExecutionContext) -> list[str]:
    """Cancel what may rest no longer; returns the clOrdIds asked for. Safe to repeat."""
    with ctx.sessions() as session:
        resting = session.scalars(
            select(Order).where(Order.account_id == ctx.account_id, rests()).order_by(Order.id)
        ).all()
        state = session.get_one(BotState, ctx.account_id)
    asked = []
    for order in resting:
        why = _why(ctx, state, order)
        if why is None:
            continue
        outcome = ctx.exchange.cancel_order(order.inst_id, order.cl_ord_id)
        logger.info("resting_entry_canceled", cl_ord_id=order.cl_ord_id, why=why, outcome=outcome.kind.value)
        asked.append(order.cl_ord_id)
        try:
            after = ctx.exchange.order(order.inst_id, order.cl_ord_id)
        except ReadFailed as failure:
            logger.warning("resting_entry_unreadable", cl_ord_id=order.cl_ord_id, reason=str(failure))
            continue
        if after is not None:
            mirror.ingest_order(ctx, after, source="control")
    return asked


def _why(ctx: ExecutionContext, state: BotState, order: Order) -> str | None:
    """Why it may rest no longer; None while it may."""
    if state.halted:
        return f"halted: {state.halt_reason}"
    if state.state != "running":
        return f"the bot is {state.state}"
    if state.entries_blocked is not None:
        return state.entries_blocked
    if order.deadline is not None and order.deadline < ctx.clock.wall_now():
        return "the decision is too old"
    return None
