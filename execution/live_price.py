"""The price an entry is compared with a moment before it is sent."""

from decimal import Decimal

from redis.exceptions import RedisError

from execution.context import ExecutionContext

FRESH_S = 1.0


def live_price(ctx: ExecutionContext, inst_id: str) -> Decimal:
    """Last price, USDT: the feed's while it is younger than `FRESH_S`, else the exchange's own answer.

    Raises ReadFailed.
    """
    if ctx.market is not None:
        try:
            known = ctx.market.last_price(inst_id, ctx.clock.wall_now())
        except RedisError:
            known = None
        if known is not None and known[1] <= FRESH_S:
            return known[0]
    return ctx.exchange.ticker(inst_id).last
