"""Entries that rest on the book: cancelled when entries are not allowed any more, their decision is too old, or what
they are part of is being left.

What fills before the rest is a position like any other: protection gives it a position-level stop at once, for the stop
that rides in the entry comes to life with the last fill only. A cancellation is judged by what the exchange then shows
of the order, and asked for again with the next look.
"""

from collections.abc import Callable

import structlog
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import entries, mirror
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
    return _cancel(ctx, lambda session, order: _why(ctx, session, order))


def withdraw(ctx: ExecutionContext, why: str, inst_id: str | None = None) -> list[str]:
    """Cancel whatever rests, of one instrument or of all; returns the clOrdIds asked for. Safe to repeat."""
    return _cancel(ctx, lambda _, order: why if inst_id in (None, order.inst_id) else None)


def _cancel(ctx: ExecutionContext, why: Callable[[Session, Order], str | None]) -> list[str]:
    with ctx.sessions() as session:
        resting = session.scalars(
            select(Order).where(Order.account_id == ctx.account_id, rests()).order_by(Order.id)
        ).all()
        due = [(order, reason) for order in resting if (reason := why(session, order)) is not None]
    for order, reason in due:
        outcome = ctx.exchange.cancel_order(order.inst_id, order.cl_ord_id)
        logger.info("resting_entry_canceled", cl_ord_id=order.cl_ord_id, why=reason, outcome=outcome.kind.value)
        try:
            after = ctx.exchange.order(order.inst_id, order.cl_ord_id)
        except ReadFailed as failure:
            logger.warning("resting_entry_unreadable", cl_ord_id=order.cl_ord_id, reason=str(failure))
            continue
        if after is not None:
            mirror.ingest_order(ctx, after, source="control")
    return [order.cl_ord_id for order, _ in due]


def _why(ctx: ExecutionContext, session: Session, order: Order) -> str | None:
    """Why it may rest no longer; None while it may."""
    against = entries.forbidden(session, session.get_one(BotState, ctx.account_id), order, ctx.clock.wall_now())
    return None if against is None else against[2]
