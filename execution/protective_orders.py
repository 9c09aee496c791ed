"""The stop or the close that protection decided on: an intent, committed, then sent by this worker itself."""

from decimal import Decimal

import structlog

from execution import intents, locks, notices, outbox
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent
from execution.journal import open_trade
from execution.ownership import our_part
from execution.submit import submit
from models import Position
from trading.orders import Leg

logger = structlog.get_logger()


def place_stop(ctx: ExecutionContext, row: Position, stop: Decimal, target: Decimal | None) -> str | None:
    """Place the position-level stop and target, USDT; the state it was left in, None when nothing was sent."""
    if row.opened_market_at is None:
        return None
    instrument = ctx.instrument(row.inst_id)
    try:
        with outbox.transaction(ctx) as session:
            order = intents.record_stop(
                ctx, session, row.inst_id, row.contracts, row.opened_market_at, instrument.round_price(stop),
                instrument.round_price(target) if target is not None else None, "position-level stop",
                announce=False,
            )  # fmt: skip
    except DuplicateIntent as duplicate:
        logger.warning("stop_intent_exists", reason=str(duplicate))
        return None
    with structlog.contextvars.bound_contextvars(**_correlation(ctx, row)):
        state = submit(ctx, order.id)
        logger.info("stop_placed", inst_id=row.inst_id, state=state, stop=str(stop), target=str(target))
    return state


def _correlation(ctx: ExecutionContext, row: Position) -> dict[str, int]:
    """The cycle that opened the position, for the log."""
    with ctx.sessions() as session:
        trade = open_trade(session, ctx.account_id, row.inst_id)
    return {} if trade is None or trade.cycle_id is None else {"cycle_id": trade.cycle_id}


def close(ctx: ExecutionContext, row: Position, why: str, *, first: bool) -> bool:
    """Close what is ours of an uncovered position; people are told on the `first` attempt. Whether it was sent.

    Raises ReadFailed.
    """
    if row.opened_market_at is None:
        return False
    part = _part(ctx, row)
    if part == 0:
        return False
    try:
        with outbox.transaction(ctx) as session:
            order = intents.record_whole_close(
                ctx, session, row.inst_id, row.contracts, row.opened_market_at, Leg.CLOSE,
                f"protection: the position is uncovered and {why}", "protection", part=part, announce=False,
            )  # fmt: skip
            message = f"closing {row.contracts if part is None else part} {row.inst_id}: uncovered, and {why}"
            locks.lock(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, message)
            if first:
                notices.alert(session, ctx.account_id, "protective_close", "CRITICAL", message, inst_id=row.inst_id)
    except DuplicateIntent as duplicate:
        logger.warning("close_intent_exists", reason=str(duplicate))
        return False
    with structlog.contextvars.bound_contextvars(**_correlation(ctx, row)):
        submit(ctx, order.id)
    return True


def _part(ctx: ExecutionContext, row: Position) -> Decimal | None:
    """How much of it is ours; None for the whole, zero when it is gone or none of it is. Raises ReadFailed."""
    held = [p for p in ctx.exchange.positions(row.inst_id) if p.mgn_mode == row.mgn_mode]
    if not held or (held[0].contracts > 0) != (row.contracts > 0):
        return Decimal(0)
    part = our_part(ctx, held[0])
    # A plan without a trade: its opening fill has not been seen anywhere yet. Uncovered, it is closed whole.
    return None if part == 0 and row.plan is not None else part
