"""The present moment, read from Redis: candles as arrays, the latest quotes, and how old each channel is.

Reads only; `exchange.market_writer` writes. A channel that never spoke is None or absent, never a default.
Redis errors (`redis.exceptions.RedisError`) pass through: the caller holds.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from redis import Redis

from exchange import market_keys as keys
from exchange.quotes import BookLevel
from trading.candle import Candle
from trading.candle_series import CandleSeries
from trading.clock import from_ms, to_ms

OHLCV_NUMBERS = 7
COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Present:
    """Latest values of one instrument, USDT; None for what never arrived."""

    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    mark: Decimal | None
    funding_rate: Decimal | None
    next_funding_at: datetime | None
    open_interest_contracts: Decimal | None
    bids: tuple[BookLevel, ...] = ()
    asks: tuple[BookLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    series: CandleSeries
    edition: bytes | None


class MarketCache:
    """Reader of the market in Redis. Thread-safe."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._held: dict[tuple[str, str], _Held] = {}
        self._lock = threading.Lock()
        # Entries as Redis sends them: redis-py's own parsing costs more than the round trip.
        self._redis.set_response_callback("XREVRANGE", _raw)

    def series(self, inst_id: str, bars: Mapping[str, int]) -> dict[str, CandleSeries]:
        """The last n confirmed candles of each bar, `{bar: n}`, in one round trip; fewer if fewer exist."""
        with self._lock:
            held = {bar: self._held.get((inst_id, bar)) for bar in bars}
            pipe = self._redis.pipeline(transaction=False)
            for bar, known in held.items():
                pipe.get(keys.edition(inst_id, bar))
                newer = f"({known.series.ts[-1]}-0" if known else "-"
                pipe.xrevrange(keys.candles(inst_id, bar), "+", newer, count=keys.KEPT_BARS)
            answers = pipe.execute()
            found = {}
            for (bar, known), edition, entries in zip(held.items(), answers[::2], answers[1::2], strict=True):
                if known is not None and known.edition != edition:
                    entries = self._redis.xrevrange(keys.candles(inst_id, bar), count=keys.KEPT_BARS)
                    known = None
                found[bar] = self._keep(inst_id, bar, known, edition, entries)
        return {bar: _tail(found[bar], count) for bar, count in bars.items()}

    def _keep(
        self, inst_id: str, bar: str, known: "_Held | None", edition: bytes | None, entries: list[Any]
    ) -> CandleSeries:
        """Join what is held with newer entries: a worker parses each candle once, not once a cycle."""
        if known is not None and not entries:
            return known.series
        series = _series(bar, entries)
        if known is not None:
            series = _tail(_joined(known.series, series), keys.KEPT_BARS)
        if len(series):
            self._held[inst_id, bar] = _Held(series, edition)
        return series

    def candles(self, inst_id: str, bar: str, n: int) -> list[Candle]:
        """The last `n` confirmed candles, oldest first, exact."""
        entries: Any = self._redis.xrevrange(keys.candles(inst_id, bar), count=n)
        return [_candle(inst_id, bar, entry) for entry in reversed(entries)]

    def last_confirmed(self, inst_id: str, bars: tuple[str, ...]) -> dict[str, datetime | None]:
        """Open of the newest confirmed candle of each bar."""
        pipe = self._redis.pipeline(transaction=False)
        for bar in bars:
            pipe.xrevrange(keys.candles(inst_id, bar), count=1)
        return {
            bar: from_ms(_ts(entries[0])) if entries else None
            for bar, entries in zip(bars, pipe.execute(), strict=True)
        }

    def present(self, inst_id: str) -> Present:
        """Latest quotes, mark, funding, open interest and book, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for key in (keys.ticker, keys.mark, keys.funding, keys.open_interest, keys.book):
            pipe.hgetall(key(inst_id))
        ticker, mark, funding, interest, book = pipe.execute()
        next_at = funding.get(b"next")
        return Present(
            last=_decimal(ticker, b"last"),
            bid=_decimal(ticker, b"bid"),
            ask=_decimal(ticker, b"ask"),
            mark=_decimal(mark, b"px"),
            funding_rate=_decimal(funding, b"rate"),
            next_funding_at=from_ms(int(next_at)) if next_at else None,
            open_interest_contracts=_decimal(interest, b"contracts"),
            bids=_levels(book.get(b"bids", b"")),
            asks=_levels(book.get(b"asks", b"")),
        )

    def ages(self, inst_id: str, now: datetime) -> dict[str, float]:
        """Wall seconds since each channel last spoke, `now` being wall time. A silent channel is absent."""
        seen: Any = self._redis.hgetall(keys.seen(inst_id))
        at = to_ms(now)
        return {channel.decode(): max(0.0, (at - int(value.split()[0])) / 1000) for channel, value in seen.items()}


def _raw(response: Any, **_: Any) -> Any:
    return response or []


def _ts(entry: Any) -> int:
    return int(entry[0].partition(b"-")[0])


def _series(bar: str, entries: list[Any]) -> CandleSeries:
    """Entries newest first → arrays oldest first. Floats: indicators are not money."""
    entries.reverse()
    ts = np.array([_ts(entry) for entry in entries], dtype=np.int64)
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


def _candle(inst_id: str, bar: str, entry: Any) -> Candle:
    open_, high, low, close, contracts, coins, quote = (Decimal(part.decode()) for part in entry[1][1].split())
    return Candle(inst_id, bar, from_ms(_ts(entry)), open_, high, low, close, contracts, coins, quote, True)


def _decimal(fields: Mapping[bytes, bytes], name: bytes) -> Decimal | None:
    value = fields.get(name)
    return Decimal(value.decode()) if value else None


def _levels(written: bytes) -> tuple[BookLevel, ...]:
    return tuple(
        BookLevel(Decimal(px), Decimal(sz)) for px, _, sz in (pair.partition(":") for pair in written.decode().split())
    )
