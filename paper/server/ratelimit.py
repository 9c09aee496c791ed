"""OKX's rate limits, counted in wall time per caller (and per instrument for order operations).

Off unless the switch `rate_limits` is on, as a bot in lockstep lives through days in seconds. A batch counts its
orders; single and batch operations have separate buckets, as do place, amend and cancel. Source: the limits
printed with each call in OKX's documentation.
"""

from collections import deque
from itertools import repeat
from time import monotonic

from paper.errors import OkxError
from paper.server.call import Call

# path below /api/v5 → calls per window in seconds, and whether the instrument is part of the bucket
LIMITS: dict[str, tuple[int, float, bool]] = {
    "trade/order": (60, 2, True),
    "trade/batch-orders": (300, 2, True),
    "trade/cancel-order": (60, 2, True),
    "trade/cancel-batch-orders": (300, 2, True),
    "trade/amend-order": (60, 2, True),
    "trade/amend-batch-orders": (300, 2, True),
    "trade/close-position": (20, 2, True),
    "trade/order-algo": (20, 2, True),
    "trade/cancel-algos": (20, 2, True),
    "trade/amend-algos": (20, 2, True),
    "trade/orders-pending": (60, 2, False),
    "trade/orders-history": (40, 2, False),
    "trade/orders-history-archive": (20, 2, False),
    "trade/fills": (60, 2, False),
    "trade/fills-history": (10, 2, False),
    "trade/orders-algo-pending": (20, 2, False),
    "trade/orders-algo-history": (20, 2, False),
    "trade/cancel-all-after": (1, 1, False),
    "account/balance": (10, 2, False),
    "account/config": (5, 2, False),
    "account/positions": (10, 2, False),
    "account/positions-history": (10, 2, False),
    "account/bills": (5, 1, False),
    "account/bills-archive": (5, 2, False),
    "account/set-leverage": (20, 2, False),
    "account/set-position-mode": (5, 2, False),
    "account/leverage-info": (20, 2, False),
    "account/trade-fee": (5, 2, False),
    "public/time": (10, 2, False),
    "public/instruments": (20, 2, False),
    "public/mark-price": (10, 2, True),
    "public/funding-rate": (10, 2, True),
    "market/ticker": (20, 2, False),
    "market/tickers": (20, 2, False),
    "market/books": (40, 2, False),
    "market/candles": (40, 2, False),
    "market/history-candles": (20, 2, False),
    "system/status": (1, 5, False),
}


class RateLimiter:
    """Sliding windows of request times."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str, str], deque[float]] = {}

    def count(self, call: Call) -> None:
        """Count a request. Raises 50011 when its bucket is full; a refused request is not counted."""
        limit = LIMITS.get(call.path.removeprefix("/api/v5/"))
        if limit is None:
            return
        most, window, by_instrument = limit
        first = call.items[0] if call.items else call.params
        instrument = str(first.get("instId", "")) if by_instrument else ""
        who = call.credentials.uid if call.credentials is not None else ""
        seen = self._seen.setdefault((who, call.method, call.path, instrument), deque())
        now = monotonic()
        while seen and seen[0] <= now - window:
            seen.popleft()
        weight = max(1, len(call.items))
        if len(seen) + weight > most:
            raise OkxError("50011")
        seen.extend(repeat(now, weight))
