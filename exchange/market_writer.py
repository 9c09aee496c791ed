"""The present moment, written to Redis by the market feed. Every write is idempotent and bounded.

Each write also notes when its channel last spoke (wall ms received, exchange ts), in the same round trip.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: how many bars were new, and (held, right) where they differed."""

    new: int
    differing: tuple[tuple[Candle, Candle], ...]


Quote = Ticker | Book | MarkPrice | Funding | OpenInterest


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

    def answers(self) -> bool:
        """Whether Redis answers. Raises RedisError."""
        return bool(self._redis.ping())

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

    def merge(self, inst_id: str, bar: str, candles: Iterable[Candle]) -> Merged:
        """Put confirmed candles of the exchange's own history wherever they belong, gaps in the past included.

        History is right where it differs from what was pushed; such bars are reported.
        """
        with self._streams:
            held = {candle.ts: candle for candle in self._cache.candles(inst_id, bar, keys.KEPT_BARS)}
            given = {candle.ts: candle for candle in candles if candle.confirmed}
            oldest = min(held) if len(held) >= keys.KEPT_BARS else None
            new = {ts: candle for ts, candle in given.items() if ts not in held and (oldest is None or ts > oldest)}
            differing = [(held[ts], candle) for ts, candle in given.items() if ts in held and held[ts] != candle]
            if not new and not differing:
                return Merged(0, ())
            kept = sorted((held | given).values(), key=lambda candle: candle.ts)[-keys.KEPT_BARS :]
            pipe = self._redis.pipeline(transaction=True)
            pipe.set(keys.edition(inst_id, bar), uuid4().hex)
            pipe.delete(keys.candles(inst_id, bar))
            for candle in kept:
                pipe.xadd(
                    keys.candles(inst_id, bar),
                    {keys.CANDLE_FIELD: _ohlcv(candle)},
                    id=f"{to_ms(candle.ts)}-0",
                )
            if kept[-1].ts in new:
                self._seen(pipe, inst_id, _channels(bar), kept[-1].ts, None)
            pipe.execute()
            return Merged(len(new), tuple(differing))

    def form(self, candle: Candle, received_ms: int | None = None) -> None:
        """The bar that is still forming."""
        values = {"ohlcv": _ohlcv(candle)}
        pipe = self._redis.pipeline(transaction=False)
        key = keys.forming(candle.inst_id, candle.bar)
        self._hash(pipe, key, candle.inst_id, candle.ts, _channels(candle.bar), values, received_ms)
        pipe.execute()

    def write(self, quotes: Iterable[tuple[Quote, int | None]]) -> None:
        """The latest quotes with when each was received (wall ms, None: now), all in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for quote, received_ms in quotes:
            channel, key, values = _described(quote)
            self._hash(pipe, key, quote.inst_id, quote.at, (channel,), values, received_ms)
        pipe.execute()

    def _hash(
        self,
        pipe: Pipeline,
        key: str,
        inst_id: str,
        at: datetime,
        channels: tuple[str, ...],
        values: dict[str, str],
        received_ms: int | None,
    ) -> None:
        fields: dict[Any, Any] = {**values, "ts": str(to_ms(at))}
        pipe.hset(key, mapping=fields)
        self._seen(pipe, inst_id, channels, at, received_ms)

    def _seen(
        self, pipe: Pipeline, inst_id: str, channels: tuple[str, ...], at: datetime, received_ms: int | None
    ) -> None:
        when = f"{received_ms or wall_ms()} {to_ms(at)}"
        fields: dict[Any, Any] = dict.fromkeys(channels, when)
        pipe.hset(keys.seen(inst_id), mapping=fields)


def _described(quote: Quote) -> tuple[str, str, dict[str, str]]:
    """Channel, key and fields of a quote."""
    inst_id = quote.inst_id
    match quote:
        case Ticker():
            values = {"last": str(quote.last), "bid": _text(quote.bid), "ask": _text(quote.ask)}
            return "ticker", keys.ticker(inst_id), values
        case Book():
            return "book", keys.book(inst_id), {"bids": _levels(quote.bids), "asks": _levels(quote.asks)}
        case MarkPrice():
            return "mark", keys.mark(inst_id), {"px": str(quote.px)}
        case Funding():
            values = {"rate": str(quote.rate), "next": str(to_ms(quote.next_at))}
            return "funding", keys.funding(inst_id), values
        case OpenInterest():
            return "open_interest", keys.open_interest(inst_id), {"contracts": str(quote.contracts)}


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
