"""How fresh the feeds are, from Redis, for a face that must never wait for Redis.

Every call gives up within a second; after a failure Redis is left alone for five, so that a Redis that hangs costs one
answer a second and the next ones nothing.
"""

import threading
from time import monotonic

import structlog
from redis import Redis
from redis.exceptions import RedisError

from exchange.market_cache import MarketCache
from exchange.redis_client import build_redis
from trading.clock import wall_now

logger = structlog.get_logger()
TIMEOUT_S = 1.0
LEFT_ALONE_S = 5.0


class Present:
    """Reader of the feeds' ages. Thread-safe."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._cache = None if redis is None else MarketCache(redis)
        self._lock = threading.Lock()
        self._failed_at = float("-inf")

    @classmethod
    def at(cls, url: str | None) -> "Present":
        """A reader of the database in `url`; without one nothing is known."""
        if url is None:
            return cls(None)
        return cls(build_redis(url, patience_s=TIMEOUT_S))

    def redis(self) -> Redis | None:
        """The client, unless it has just failed. Whoever uses it reports failures by `failed`."""
        with self._lock:
            return None if monotonic() - self._failed_at < LEFT_ALONE_S else self._redis

    def failed(self, error: Exception) -> None:
        """Redis did not answer: leave it alone for a while."""
        with self._lock:
            self._failed_at = monotonic()
        logger.warning("redis_does_not_answer", error=type(error).__name__)

    def feed_ages(self, instruments: tuple[str, ...]) -> dict[str, float] | None:
        """Channel → wall seconds since its stalest instrument spoke; None while Redis does not answer."""
        if self._cache is None or self.redis() is None:
            return None
        try:
            ages: dict[str, float] = {}
            for inst_id in instruments:
                for channel, age in self._cache.ages(inst_id, wall_now()).items():
                    ages[channel] = max(age, ages.get(channel, 0.0))
        except (RedisError, OSError) as error:
            self.failed(error)
            return None
        return ages
