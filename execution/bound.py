"""An exit belongs to the position that was open when it was intended.

An intent that waited (its worker was down, its message lost) must not close what has been opened since. Old ones look
at the exchange before the claim; the claim then expires those whose position is gone, flipped or replaced. What the
mirror has not seen yet proves nothing, and the exit passes.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution.context import ExecutionContext
from execution.refreshing import refresh
from models import Order, Position

logger = structlog.get_logger()

FRESH = timedelta(seconds=5)  # wall: a younger intent rests on a position just read


def closing_side(contracts: Decimal) -> str:
    """Side that reduces a position of `contracts` (signed)."""
    return "sell" if contracts > 0 else "buy"


def opening_of(session: Session, account_id: int, inst_id: str, td_mode: str, side: str) -> datetime | None:
    """Market time at which the position that an exit of `side` would reduce was opened; None when none is known."""
    row = _row(session, account_id, inst_id, td_mode)
    if row is None or row.contracts == 0 or closing_side(row.contracts) != side:
        return None
    return row.opened_market_at


def look_again(ctx: ExecutionContext, order: Order) -> None:
    """Before an exit that waited is claimed: bring the mirror to what the exchange holds now. Not in a transaction."""
    if order.position_opened_at is None or ctx.clock.wall_now() - order.created_at < FRESH:
        return
    try:
        refresh(ctx)
    except ReadFailed as failure:
        logger.warning("exit_not_verified", cl_ord_id=order.cl_ord_id, reason=str(failure))


def gone(session: Session, order: Order) -> str | None:
    """Why the position of this exit is not there any more, by the mirror; None when it is, or may be."""
    if order.position_opened_at is None:
        return None
    row = _row(session, order.account_id, order.inst_id, order.td_mode)
    if row is None:
        return None
    if row.contracts == 0:
        return "its position is closed" if row.updated_market_at >= order.position_opened_at else None
    if row.opened_market_at is not None and row.opened_market_at > order.position_opened_at:
        return "its position is closed; another one has been opened since"
    if closing_side(row.contracts) != order.side:
        return "its position has turned to the other side"
    return None


def _row(session: Session, account_id: int, inst_id: str, td_mode: str) -> Position | None:
    return session.scalars(
        select(Position).where(
            Position.account_id == account_id,
            Position.inst_id == inst_id,
            Position.mgn_mode == td_mode,
            Position.pos_side == "net",
        )
    ).one_or_none()
