"""OKX's rate limits, counted in wall time.

Public calls count per address, private ones per account, order operations per account and instrument. Operations
over WebSocket share the buckets of REST. Place, amend and cancel have buckets of their own, single and batch have,
too; a batch counts its orders, and a batch of one is a single operation. Placing and amending together may not
exceed 1000 orders in 2 s per account (50061). An address may open three sockets a second. Source: the limits printed
with each call in OKX's documentation.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import repeat
from time import monotonic

from paper.errors import OkxError
from paper.server.call import Call

# path below /api/v5 → calls per window in seconds, and which parameter is part of the bucket
LIMITS: dict[str, tuple[int, float, str]] = {
    "trade/order": (60, 2, "instId"),
    "trade/batch-orders": (300, 2, "instId"),
    "trade/cancel-order": (60, 2, "instId"),
    "trade/cancel-batch-orders": (300, 2, "instId"),
    "trade/amend-order": (60, 2, "instId"),
    "trade/amend-batch-orders": (300, 2, "instId"),
    "trade/close-position": (20, 2, "instId"),
    "trade/order-algo": (20, 2, "instId"),
    "trade/cancel-algos": (20, 2, "instId"),
    "trade/amend-algos": (20, 2, "instId"),
    "trade/orders-pending": (60, 2, ""),
    "trade/orders-history": (40, 2, ""),
    "trade/orders-history-archive": (20, 2, ""),
    "trade/fills": (60, 2, ""),
    "trade/fills-history": (10, 2, ""),
    "trade/orders-algo-pending": (20, 2, ""),
    "trade/orders-algo-history": (20, 2, ""),
    "trade/cancel-all-after": (1, 1, "tag"),
    "trade/order-precheck": (5, 2, ""),
    "trade/account-rate-limit": (1, 1, ""),
    "account/instruments": (20, 2, "instType"),
    "account/balance": (10, 2, ""),
    "account/config": (5, 2, ""),
    "account/positions": (10, 2, ""),
    "account/positions-history": (10, 2, ""),
    "account/account-position-risk": (10, 2, ""),
    "account/bills": (5, 1, ""),
    "account/bills-archive": (5, 2, ""),
    "account/set-leverage": (20, 2, ""),
    "account/set-position-mode": (5, 2, ""),
    "account/position/margin-balance": (20, 2, ""),
    "account/leverage-info": (20, 2, ""),
    "account/max-size": (20, 2, ""),
    "account/max-avail-size": (20, 2, ""),
    "account/trade-fee": (5, 2, ""),
    "public/time": (10, 2, ""),
    "public/instruments": (20, 2, "instType"),
    "public/mark-price": (10, 2, "instId"),
    "public/funding-rate": (10, 2, "instId"),
    "public/funding-rate-history": (10, 2, "instId"),
    "public/open-interest": (20, 2, "instId"),
    "public/price-limit": (20, 2, ""),
    "public/position-tiers": (10, 2, ""),
    "market/ticker": (20, 2, ""),
    "market/tickers": (20, 2, ""),
    "market/index-tickers": (20, 2, ""),
    "market/books": (40, 2, ""),
    "market/books-full": (10, 2, ""),
    "market/candles": (40, 2, ""),
    "market/history-candles": (20, 2, ""),
    "market/mark-price-candles": (20, 2, ""),
    "market/history-mark-price-candles": (10, 2, ""),
    "market/index-candles": (20, 2, ""),
    "market/history-index-candles": (10, 2, ""),
    "market/trades": (100, 2, ""),
    "market/history-trades": (20, 2, ""),
    "system/status": (1, 5, ""),
}
# One element of a batch is counted where the single operation is.
SINGLE = {
    "trade/batch-orders": "trade/order",
    "trade/cancel-batch-orders": "trade/cancel-order",
    "trade/amend-batch-orders": "trade/amend-order",
}
PLACING = ("trade/order", "trade/batch-orders", "trade/amend-order", "trade/amend-batch-orders")
ACCOUNT_ORDERS = (1000, 2.0)
CONNECTIONS = (3, 1.0)
# Reading and writing share a path here; the limit on reading one order is as wide as that on placing.
OPERATION_PATHS = {
    "order": "trade/order", "batch-orders": "trade/batch-orders", "cancel-order": "trade/cancel-order",
    "batch-cancel-orders": "trade/cancel-batch-orders", "amend-order": "trade/amend-order",
    "batch-amend-orders": "trade/amend-batch-orders",
}  # fmt: skip

Bucket = tuple[str, ...]


class RateLimiter:
    """Sliding windows of request times. A refused request is not counted."""

    def __init__(self, status: str = "429") -> None:
        self._seen: dict[Bucket, deque[float]] = {}
        self._status = status

    def count(self, call: Call) -> None:
        """Count a REST request. Raises 50011 or 50061 when a bucket is full."""
        path = call.path.removeprefix("/api/v5/")
        who = call.credentials.uid if call.credentials is not None else call.address
        self._count(who, call.method, path, call.items or [call.params])

    def count_operation(self, uid: str, op: str, args: Sequence[Mapping[str, object]]) -> None:
        """Count an order operation over WebSocket, in REST's buckets. Raises like `count`."""
        self._count(uid, "POST", OPERATION_PATHS[op], args)

    def connects(self, address: str) -> bool:
        """Whether an address may open a further socket; counts it then."""
        most, window = CONNECTIONS
        now, bucket = monotonic(), (address, "socket")
        if self._filled(bucket, now, window) >= most:
            return False
        self._seen[bucket].append(now)
        return True

    def _count(self, who: str, method: str, path: str, items: Sequence[Mapping[str, object]]) -> None:
        if path in SINGLE and len(items) == 1:
            path = SINGLE[path]
        limit = LIMITS.get(path)
        if limit is None:
            return
        most, window, parameter = limit
        # A whole array of algo cancellations is one call; a batch of orders is as many as it has orders.
        counted = items if path in SINGLE else items[:1]
        weights = Counter(str(item.get(parameter) or "") if parameter else "" for item in counted)
        now = monotonic()
        buckets: list[tuple[Bucket, int, int, float, str]] = [
            ((who, method, path, value), n, most, window, "50011") for value, n in weights.items()
        ]
        if method == "POST" and path in PLACING:
            buckets.append(((who, "orders"), len(counted), *ACCOUNT_ORDERS, "50061"))
        for bucket, weight, top, span, code in buckets:
            if self._filled(bucket, now, span) + weight > top:
                raise self._full(code)
        for bucket, weight, _, _, _ in buckets:
            self._seen[bucket].extend(repeat(now, weight))

    def _filled(self, bucket: Bucket, now: float, window: float) -> int:
        seen = self._seen.setdefault(bucket, deque())
        while seen and seen[0] <= now - window:
            seen.popleft()
        return len(seen)

    def _full(self, code: str) -> OkxError:
        if code == "50011" and self._status == "200":
            text = "Rate limit reached. Please refer to API documentation and throttle requests accordingly."
            return OkxError(code, message=text, status=200)
        return OkxError(code)
