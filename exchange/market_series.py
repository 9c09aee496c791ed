"""Candles in Redis as float arrays, parsed once a process and followed from there.

Apart from `exchange.market_cache` because of numpy: only the workers that compute indicators carry it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from redis import Redis

from exchange import market_keys as keys
from exchange.market_cache import MarketCache, open_ms
from trading.candle_series import CandleSeries

OHLCV_NUMBERS = 7
COLUMNS = ("open", "high", "low", "close", "volume")

Stream = tuple[str, str]
"""Instrument and bar."""


@dataclass(frozen=True, slots=True)
class _Held:
    series: CandleSeries
    edition: bytes | None


class SeriesCache(MarketCache):
    """The market cache with arrays. Thread-safe."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._held: dict[Stream, _Held] = {}
        self._lock = threading.Lock()

    def series(self, inst_id: str, bars: Mapping[str, int]) -> dict[str, CandleSeries]:
        """The last n confirmed candles of each bar, `{bar: n}`, in one round trip; fewer if fewer exist."""
        found = self.series_of({(inst_id, bar): count for bar, count in bars.items()})
        return {bar: found[inst_id, bar] for bar in bars}

    def series_of(self, wanted: Mapping[Stream, int]) -> dict[Stream, CandleSeries]:
        """`series` of several instruments, `{(instrument, bar): n}`, in one round trip."""
        with self._lock:
            held = {stream: self._held.get(stream) for stream in wanted}
            pipe = self.redis.pipeline(transaction=False)
            for stream, known in held.items():
                pipe.get(keys.edition(*stream))
                newer = f"({known.series.ts[-1]}-0" if known else "-"
                pipe.xrevrange(keys.candles(*stream), "+", newer, count=keys.KEPT_BARS)
            answers = pipe.execute()
            found = {}
            for (stream, known), edition, entries in zip(held.items(), answers[::2], answers[1::2], strict=True):
                if known is not None and known.edition != edition:
                    entries = self.redis.xrevrange(keys.candles(*stream), count=keys.KEPT_BARS)
                    known = None
                found[stream] = self._keep(stream, known, edition, entries)
        return {stream: _tail(found[stream], count) for stream, count in wanted.items()}

    def _keep(self, stream: Stream, known: "_Held | None", edition: bytes | None, entries: list[Any]) -> CandleSeries:
        """Join what is held with newer entries: a worker parses each candle once, not once a cycle."""
        if known is not None and not entries:
            return known.series
        series = _series(stream[1], entries)
        if known is not None:
            series = _tail(_joined(known.series, series), keys.KEPT_BARS)
        if len(series):
            self._held[stream] = _Held(series, edition)
        return series


def _series(bar: str, entries: list[Any]) -> CandleSeries:
    """Entries newest first → arrays oldest first. Floats: indicators are not money."""
    entries.reverse()
    ts = np.array([open_ms(entry) for entry in entries], dtype=np.int64)
    written = b" ".join([entry[1][1] for entry in entries]).decode()
    numbers = np.fromstring(written, dtype=np.float64, sep=" ")
    table = numbers.reshape(len(entries), OHLCV_NUMBERS).T
    open_, high, low, close, _contracts, coins, _quote = (np.ascontiguousarray(column) for column in table)
    return CandleSeries(bar, ts, open_, high, low, close, coins)


def _joined(older: CandleSeries, newer: CandleSeries) -> CandleSeries:
    return CandleSeries(
        older.bar,
        np.concatenate((older.ts, newer.ts)),
        *(np.concatenate((getattr(older, name), getattr(newer, name))) for name in COLUMNS),
    )


def _tail(series: CandleSeries, count: int) -> CandleSeries:
    """The last `count` bars; the arrays are the caller's own."""
    return CandleSeries(
        series.bar, series.ts[-count:].copy(), *(getattr(series, name)[-count:].copy() for name in COLUMNS)
    )
