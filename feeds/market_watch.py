"""Market alerts: what the feed last heard against its own past, told once and then kept quiet for a while.

Looks every LOOK_S; the past is sampled once a minute of market time. Open interest of the last hours and the time of
each last alert lie in Redis, so that a restart neither forgets nor repeats. Alerts go to the stream `market:alerts`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from time import monotonic
from typing import Any

import orjson
import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from exchange import market_keys as keys
from exchange.market_cache import MarketCache
from exchange.quotes import Funding, OpenInterest, Ticker
from feeds.quote_board import QuoteBoard
from trading import market_alerts
from trading.candle import Candle
from trading.clock import from_ms, to_ms
from trading.market_alerts import MarketAlert

logger = structlog.get_logger()

LOOK_S = 1.0
MINUTE_MS = 60_000
HOUR, FOUR_HOURS = 60, 240  # samples
# By what part of a span its beginning may lie further back: after a longer silence nobody knows what an hour ago was.
SPARE = 1 / 6
VOLUME_BAR, VOLUME_PAST = "5m", 288
FAILURE_LOG_S = 30.0


class _Past:
    """What one instrument did: minute samples as (market ms, figure), and the volumes of its bars."""

    def __init__(self) -> None:
        self.prices: deque[tuple[int, float]] = deque(maxlen=HOUR + 5)
        self.interest: deque[tuple[int, float]] = deque(maxlen=FOUR_HOURS + 5)
        self.spreads: deque[float] = deque(maxlen=HOUR)
        self.volumes: deque[float] = deque(maxlen=VOLUME_PAST)
        self.bar: datetime | None = None
        self.loaded = False


class MarketWatch:
    """`instruments` says which are followed now. `cooldown_min`: minutes of market time between alerts of a kind."""

    def __init__(
        self, redis: Redis, cache: MarketCache, board: QuoteBoard, instruments: Callable[[], tuple[str, ...]],
        *, cooldown_min: int,
    ) -> None:  # fmt: skip
        self._redis = redis
        self._cache = cache
        self._board = board
        self._instruments = instruments
        self._cooldown_ms = cooldown_min * MINUTE_MS
        self._past: dict[str, _Past] = {}
        self._stopping = threading.Event()
        self._failure_logged = -FAILURE_LOG_S
        self._thread = threading.Thread(target=self._run, name="market-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                for inst_id in self._instruments():
                    self.look(inst_id)
            except RedisError as error:
                if monotonic() - self._failure_logged > FAILURE_LOG_S:
                    self._failure_logged = monotonic()
                    logger.warning("market_watch_waits", error=type(error).__name__)

    def look(self, inst_id: str) -> None:
        """Judge one instrument once. Raises RedisError."""
        ticker = self._board.latest.get(("tickers", inst_id))
        if not isinstance(ticker, Ticker):
            return
        now_ms = to_ms(ticker.at)
        past = self._past.setdefault(inst_id, _Past())
        if not past.loaded:
            self._load(inst_id, past, ticker.at)
        for alert in self._found(inst_id, ticker, past, now_ms):
            self._tell(inst_id, alert, now_ms)
        self._sample(inst_id, ticker, past, now_ms)

    def _found(self, inst_id: str, ticker: Ticker, past: _Past, now_ms: int) -> Iterator[MarketAlert]:
        found: list[MarketAlert | None] = []
        hour_ago = _before(past.prices, now_ms, HOUR)
        if hour_ago is not None:
            found.append(market_alerts.price_move(hour_ago, float(ticker.last)))
        funding = self._board.latest.get(("funding-rate", inst_id))
        if isinstance(funding, Funding):
            found.append(market_alerts.funding(float(funding.rate)))
        interest = self._board.latest.get(("open-interest", inst_id))
        four_hours_ago = _before(past.interest, now_ms, FOUR_HOURS)
        if isinstance(interest, OpenInterest) and four_hours_ago is not None:
            found.append(market_alerts.open_interest(four_hours_ago, float(interest.contracts)))
        bps = _spread_bps(ticker)
        if bps is not None:
            found.append(market_alerts.spread(past.spreads, bps))
        found.append(self._volume(inst_id, past, now_ms))
        return (alert for alert in found if alert is not None)

    def _volume(self, inst_id: str, past: _Past, now_ms: int) -> MarketAlert | None:
        """Judged once for each bar."""
        last = self._cache.candles(inst_id, VOLUME_BAR, 1)
        if not last or last[0].ts == past.bar or to_ms(last[0].closes_at) < now_ms - HOUR * MINUTE_MS:
            return None
        alert = market_alerts.volume(past.volumes, float(last[0].vol_contracts))
        past.bar = last[0].ts
        past.volumes.append(float(last[0].vol_contracts))
        return alert

    def _load(self, inst_id: str, past: _Past, now: datetime) -> None:
        """The past as Redis knows it: closes and volumes of the bars, open interest of the last hours."""
        bars: list[Candle] = self._cache.candles(inst_id, VOLUME_BAR, VOLUME_PAST)
        past.prices.extend((to_ms(bar.closes_at), float(bar.close)) for bar in bars[-13:])
        past.volumes.extend(float(bar.vol_contracts) for bar in bars)
        past.bar = bars[-1].ts if bars else None
        since = f"{to_ms(now) - (FOUR_HOURS + 5) * MINUTE_MS}-0"
        entries: Any = self._redis.xrange(keys.open_interest_past(inst_id), since)
        past.interest.extend((int(name.partition(b"-")[0]), float(fields[b"contracts"])) for name, fields in entries)
        past.loaded = True

    def _sample(self, inst_id: str, ticker: Ticker, past: _Past, now_ms: int) -> None:
        if past.prices and now_ms - past.prices[-1][0] < MINUTE_MS:
            return
        past.prices.append((now_ms, float(ticker.last)))
        bps = _spread_bps(ticker)
        if bps is not None:
            past.spreads.append(bps)
        interest = self._board.latest.get(("open-interest", inst_id))
        if not isinstance(interest, OpenInterest):
            return
        at = to_ms(interest.at)
        if past.interest and at <= past.interest[-1][0]:
            return
        past.interest.append((at, float(interest.contracts)))
        name = keys.open_interest_past(inst_id)
        fields: dict[Any, Any] = {"contracts": str(interest.contracts)}
        try:
            self._redis.xadd(name, fields, id=f"{at}-0", maxlen=FOUR_HOURS + 60, approximate=True)
        except ResponseError:
            # The market was begun anew at an earlier time: what is held is of another one.
            self._redis.delete(name)

    def _tell(self, inst_id: str, alert: MarketAlert, now_ms: int) -> None:
        """Once a cooldown. A market that was reset lies before the last alert; then that one no longer counts."""
        name = f"{alert.kind}:{inst_id}"
        last: Any = self._redis.hget(keys.ALERTED, name)
        if last is not None and 0 <= now_ms - int(last) < self._cooldown_ms:
            return
        payload = {
            "kind": alert.kind.value,
            "inst_id": inst_id,
            "value": round(alert.value, 6),
            "limit": round(alert.limit, 6),
            "unit": alert.unit,
            "message": f"{inst_id}: {alert.message}",
            "market_at": from_ms(now_ms).isoformat(),
        }
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.ALERTED, name, str(now_ms))
        fields: dict[Any, Any] = {"type": "market_alert", "inst_id": inst_id, "payload": orjson.dumps(payload)}
        pipe.xadd(keys.ALERTS, fields, maxlen=keys.ALERTS_KEPT, approximate=True)
        pipe.execute()
        logger.info("market_alert", inst_id=inst_id, kind=alert.kind.value, message=alert.message)


def _before(samples: deque[tuple[int, float]], now_ms: int, minutes: int) -> float | None:
    """The newest sample at least so many minutes old; None when the past does not reach back that far, or has none of
    about that time.
    """
    found = None
    for when, value in samples:
        age = (now_ms - when) / MINUTE_MS
        if age < minutes:
            break
        found = value if age <= minutes * (1 + SPARE) else None
    return found


def _spread_bps(ticker: Ticker) -> float | None:
    if ticker.bid is None or ticker.ask is None or ticker.bid <= 0 or ticker.ask < ticker.bid:
        return None
    return float((ticker.ask - ticker.bid) / (ticker.ask + ticker.bid) * 2) * 10_000
