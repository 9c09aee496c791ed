"""The present moment, written to Redis by the market feed. Every write is idempotent and bounded.

Each write also notes when its channel last spoke (wall ms received, exchange ts), in the same round trip.
"""

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import uuid4

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ResponseError

from exchange import market_keys as keys
from exchange.market_cache import MarketCache
from exchange.quotes import Book, BookLevel, Funding, MarkPrice, OpenInterest, Ticker
from trading.candle import Candle
from trading.clock import to_ms, wall_ms


class MarketWriter:
    """Writer of the market in Redis.

    Thread-safe; one per database (rewriting a stream is serialised in here).
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._cache = MarketCache(redis)
        self._streams = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def confirm(self, candle: Candle, received_ms: int | None = None) -> bool:
        """Append a confirmed candle. False when the stream already holds it or a later one."""
        with self._streams:
            pipe = self._redis.pipeline(transaction=False)
            pipe.xadd(
                keys.candles(candle.inst_id, candle.bar),
                {keys.CANDLE_FIELD: _ohlcv(candle)},
                id=f"{to_ms(candle.ts)}-0",
                maxlen=keys.KEPT_BARS,
                approximate=True,
            )
            self._seen(pipe, candle.inst_id, _channels(candle.bar), candle.ts, received_ms)
            added, _ = pipe.execute(raise_on_error=False)
        if isinstance(added, ResponseError) and "equal or smaller" in str(added):
            return False
        if isinstance(added, Exception):
            raise added
        return True

    def merge(self, inst_id: str, bar: str, candles: Iterable[Candle]) -> int:
        """Add confirmed candles wherever they belong, gaps in the past included.

        Returns how many were new.
        """
        with self._streams:
            held = {candle.ts: candle for candle in self._cache.candles(inst_id, bar, keys.KEPT_BARS)}
            new = {candle.ts: candle for candle in candles if candle.confirmed and candle.ts not in held}
            if not new:
                return 0
            kept = sorted((held | new).values(), key=lambda candle: candle.ts)[-keys.KEPT_BARS :]
            pipe = self._redis.pipeline(transaction=True)
            pipe.set(keys.edition(inst_id, bar), uuid4().hex)
            pipe.delete(keys.candles(inst_id, bar))
            for candle in kept:
                pipe.xadd(
                    keys.candles(inst_id, bar),
                    {keys.CANDLE_FIELD: _ohlcv(candle)},
                    id=f"{to_ms(candle.ts)}-0",
                )
            self._seen(pipe, inst_id, _channels(bar), kept[-1].ts, None)
            pipe.execute()
            return len(new)

    def form(self, candle: Candle, received_ms: int | None = None) -> None:
        """The bar that is still forming."""
        values = {"ohlcv": _ohlcv(candle)}
        self._hash(keys.forming(candle.inst_id, candle.bar), candle, _channels(candle.bar), values, received_ms)

    def ticker(self, ticker: Ticker, received_ms: int | None = None) -> None:
        values = {"last": str(ticker.last), "bid": _text(ticker.bid), "ask": _text(ticker.ask)}
        self._hash(keys.ticker(ticker.inst_id), ticker, ("ticker",), values, received_ms)

    def book(self, book: Book, received_ms: int | None = None) -> None:
        values = {"bids": _levels(book.bids), "asks": _levels(book.asks)}
        self._hash(keys.book(book.inst_id), book, ("book",), values, received_ms)

    def mark(self, mark: MarkPrice, received_ms: int | None = None) -> None:
        self._hash(keys.mark(mark.inst_id), mark, ("mark",), {"px": str(mark.px)}, received_ms)

    def funding(self, funding: Funding, received_ms: int | None = None) -> None:
        values = {"rate": str(funding.rate), "next": str(to_ms(funding.next_at))}
        self._hash(keys.funding(funding.inst_id), funding, ("funding",), values, received_ms)

    def open_interest(self, interest: OpenInterest, received_ms: int | None = None) -> None:
        values = {"contracts": str(interest.contracts)}
        self._hash(keys.open_interest(interest.inst_id), interest, ("open_interest",), values, received_ms)

    def _hash(
        self,
        key: str,
        spoken: Candle | Ticker | Book | MarkPrice | Funding | OpenInterest,
        channels: tuple[str, ...],
        values: dict[str, str],
        received_ms: int | None,
    ) -> None:
        at = spoken.ts if isinstance(spoken, Candle) else spoken.at
        pipe = self._redis.pipeline(transaction=False)
        fields: dict[Any, Any] = {**values, "ts": str(to_ms(at))}
        pipe.hset(key, mapping=fields)
        self._seen(pipe, spoken.inst_id, channels, at, received_ms)
        pipe.execute()

    def _seen(
        self, pipe: Pipeline, inst_id: str, channels: tuple[str, ...], at: datetime, received_ms: int | None
    ) -> None:
        when = f"{received_ms or wall_ms()} {to_ms(at)}"
        fields: dict[Any, Any] = dict.fromkeys(channels, when)
        pipe.hset(keys.seen(inst_id), mapping=fields)


def _channels(bar: str) -> tuple[str, ...]:
    return "candle", f"candle{bar}"


def _ohlcv(candle: Candle) -> str:
    numbers = (
        candle.open, candle.high, candle.low, candle.close,
        candle.vol_contracts, candle.vol_coins, candle.vol_quote,
    )  # fmt: skip
    return " ".join(format(number, "f") for number in numbers)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _levels(levels: tuple[BookLevel, ...]) -> str:
    return " ".join(f"{level.px}:{level.sz_contracts}" for level in levels)
