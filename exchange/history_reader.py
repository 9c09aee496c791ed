"""Runs of confirmed candles over REST, within OKX's rate limits, with nothing missing inside.

OKX's recent endpoint reaches back 1440 bars; older ones come from its history. Raises ReadFailed.
"""

import threading
from datetime import datetime, timedelta

from exchange.rate_limit import RateLimit
from exchange.reads import Reads
from trading.candle import BAR_SECONDS, Candle

PAGE = 300
RECENT_BARS = 1440
# OKX: 40 requests in two seconds for recent candles, 20 for history; a little less for whoever shares the address.
RECENT, HISTORY = (36, 2.0), (18, 2.0)


class HistoryReader:
    """Reads candles page by page. Thread-safe; a wait ends early when `stopping` is set."""

    def __init__(self, exchange: Reads, stopping: threading.Event) -> None:
        self._exchange = exchange
        self._stopping = stopping
        self._recent, self._history = RateLimit(*RECENT), RateLimit(*HISTORY)

    def newest(self, inst_id: str, bar: str, bars: int) -> list[Candle]:
        """About the last `bars` candles, newest first, the forming one first of all; in one request."""
        self._stopping.wait(self._recent.wait_s())
        return self._exchange.candles(inst_id, bar, min(bars, PAGE))

    def older(self, inst_id: str, bar: str, before: datetime, bars: int, *, recent: bool) -> list[Candle]:
        """Up to `bars` confirmed candles that opened before `before`, newest first; one request."""
        limit = self._recent if recent else self._history
        self._stopping.wait(limit.wait_s())
        read = self._exchange.candles if recent else self._exchange.history_candles
        return [candle for candle in read(inst_id, bar, min(bars, PAGE), before) if candle.confirmed]

    def span(self, inst_id: str, bar: str, first: datetime, last: datetime, now: datetime) -> list[Candle]:
        """Bars that opened from `first` to `last`, newest first: exactly these, as many requests as they need.

        `now` is the newest bar known, which tells which endpoint reaches the span. What the exchange does not have is
        missing from the answer.
        """
        step = timedelta(seconds=BAR_SECONDS[bar])
        found: list[Candle] = []
        before = last + step
        while before > first and not self._stopping.is_set():
            recent = now - before < step * (RECENT_BARS - PAGE)
            page = self.older(inst_id, bar, before, (before - first) // step, recent=recent)
            found += [candle for candle in page if candle.ts >= first]
            if not page:
                break
            before = page[-1].ts
        return found
