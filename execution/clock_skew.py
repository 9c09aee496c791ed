"""The difference between the exchange's wall clock and ours, measured and stored; the invariants judge it."""

from decimal import Decimal

import structlog

from execution.context import ExecutionContext
from models import BotState
from trading.clock import wall_now

logger = structlog.get_logger()

TRIES = 3


def measure(ctx: ExecutionContext) -> Decimal:
    """Measure and store what the difference is at least: seconds, positive when the exchange is ahead.

    Of three looks the quickest counts; half its round trip may be the wire's and is not held against the clock.
    Raises ReadFailed.
    """
    looks = []
    for _ in range(TRIES):
        before = wall_now()
        theirs = ctx.exchange.server_time()
        trip = wall_now() - before
        looks.append((trip.total_seconds() / 2, (theirs - before - trip / 2).total_seconds()))
    doubt, difference = min(looks)
    at_least = max(0.0, abs(difference) - doubt) * (1 if difference > 0 else -1)
    skew = Decimal(str(round(at_least, 3)))
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        state.clock_skew_s, state.clock_skew_at = skew, ctx.clock.wall_now()
    logger.debug("clock_skew", seconds=str(skew), doubt=round(doubt, 3))
    return skew
