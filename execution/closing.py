"""A person closes one position: an intent like any other, sent at once, without Redis or workers."""

import time
from decimal import Decimal

import structlog

from exchange.errors import ReadFailed
from execution import intents, notices, outbox
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent, Refused
from execution.ownership import our_part
from execution.submit import submit
from trading.orders import Leg

logger = structlog.get_logger()
WITHIN_S = 8.0
LOOK_EVERY_S = 0.2


def close_position(ctx: ExecutionContext, inst_id: str, *, actor: str, channel: str) -> bool:
    """Close what is ours in `inst_id` at the market; True when the exchange shows it gone, False after 8 s if not.

    Raises Refused where there is nothing of ours, or where the exchange cannot be read.
    """
    try:
        position = next(iter(ctx.exchange.positions(inst_id)), None)
        if position is None or position.contracts == 0:
            raise Refused(f"there is no position in {inst_id}")
        part = our_part(ctx, position)
        if part == 0:
            raise Refused(f"the position in {inst_id} is not ours; close it on the exchange, or flatten everything")
        with outbox.transaction(ctx) as session:
            detail = {"inst_id": inst_id, "contracts": str(position.contracts)}
            notices.audit(session, ctx.account_id, actor, channel, "close_position", detail)
            order = intents.record_whole_close(
                ctx, session, inst_id, position.contracts, position.created_at, Leg.FLATTEN, f"closed by {actor}",
                "control", part=part, announce=False,
            )  # fmt: skip
    except ReadFailed as failure:
        raise Refused(f"the exchange cannot be read: {failure}") from None
    except DuplicateIntent as duplicate:
        raise Refused(f"it is being closed already: {duplicate}") from None
    state = submit(ctx, order.id)
    logger.info("position_closed_by_hand", inst_id=inst_id, actor=actor, state=state)
    foreign = Decimal(0) if part is None else position.contracts - part.copy_sign(position.contracts)
    return _gone(ctx, inst_id, foreign)


def _gone(ctx: ExecutionContext, inst_id: str, left: Decimal) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            held = sum((p.contracts for p in ctx.exchange.positions(inst_id)), Decimal(0))
        except ReadFailed as failure:
            logger.warning("close_not_seen", reason=str(failure))
            held = None
        if held == left:
            return True
        time.sleep(LOOK_EVERY_S)
    return False
