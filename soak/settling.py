"""After the storm: until our books equal the exchange's, or what does not agree."""

from time import monotonic, sleep

import httpx
from sqlalchemy.exc import DBAPIError

from exchange.errors import ReadFailed
from soak.whole import WholeBot
from trading.clock import ClockUnavailable

WITHIN_S = 120.0


def settled(bot: WholeBot, within_s: float = WITHIN_S) -> list[str]:
    """Empty when everything agrees, and no order was sent twice."""
    left, deadline = ["nothing was looked at"], monotonic() + within_s
    while left and monotonic() < deadline:
        try:
            left = bot.judge.differences()
        except (ReadFailed, ClockUnavailable, DBAPIError, httpx.HTTPError) as trouble:
            left = [f"{type(trouble).__name__}: {trouble}"[:200]]
        sleep(0.5)
    return left + bot.judge.duplicates()
