"""The present moment, read from Redis: candles, the latest quotes, and how old each channel is.

Reads only; `exchange.market_writer` writes. A channel that never spoke is None or absent, never a default.
Redis errors (`redis.exceptions.RedisError`) pass through: the caller holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from redis import Redis
from redis.client import Pipeline

from exchange import market_keys as keys
from exchange.quotes import BookLevel
from trading.candle import Candle
from trading.clock import from_ms, to_ms
from trading.economic_calendar import CalendarView, EconomicEvent, next_event


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
class Reading:
    """One look at an instrument. `ages` wall seconds, `spoken_at` the exchange's own (market) time, both by channel;
    `calendar` None when no feed has ever read one.
    """

    present: Present
    ages: dict[str, float]
    spoken_at: dict[str, datetime]
    calendar: CalendarView | None


class MarketCache:
    """Reader of the market in Redis. Thread-safe."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._calendar: tuple[bytes, tuple[EconomicEvent, ...], str] = (b"", (), "")
        # Entries as Redis sends them: redis-py's own parsing costs more than the round trip.
        self.redis.set_response_callback("XREVRANGE", _raw)

    def candles(self, inst_id: str, bar: str, n: int) -> list[Candle]:
        """The last `n` confirmed candles, oldest first, exact."""
        entries: Any = self.redis.xrevrange(keys.candles(inst_id, bar), count=n)
        return [_candle(inst_id, bar, entry) for entry in reversed(entries)]

    def last_confirmed(self, inst_id: str, bars: tuple[str, ...]) -> dict[str, datetime | None]:
        """Open of the newest confirmed candle of each bar."""
        pipe = self.redis.pipeline(transaction=False)
        for bar in bars:
            pipe.xrevrange(keys.candles(inst_id, bar), count=1)
        return {
            bar: from_ms(open_ms(entries[0])) if entries else None
            for bar, entries in zip(bars, pipe.execute(), strict=True)
        }

    def present(self, inst_id: str) -> Present:
        """Latest quotes, mark, funding, open interest and book, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        _ask_present(pipe, inst_id)
        return _present(pipe.execute())

    def last_price(self, inst_id: str, now: datetime) -> tuple[Decimal, float] | None:
        """Last price, USDT, and how many wall seconds ago it came; None when it never did."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.hget(keys.ticker(inst_id), "last")
        pipe.hget(keys.seen(inst_id), "ticker")
        last, seen = pipe.execute()
        return (Decimal(last.decode()), _age_s(seen, now)) if last and seen else None

    def reading(self, inst_id: str, now: datetime, market_now: datetime, speed: float | None) -> Reading:
        """Everything but candles in one round trip. `now` is wall time; market time runs `speed` times as fast, None
        where it stands between bars. What was late on its way is as old as the exchange says, not as new as its
        arrival.
        """
        pipe = self.redis.pipeline(transaction=False)
        _ask_present(pipe, inst_id)
        pipe.hgetall(keys.seen(inst_id))
        pipe.get(keys.CALENDAR)
        *present, seen, calendar = pipe.execute()
        ages, spoken = _ages(seen, now), _spoken(seen)
        if speed is not None:
            for channel in keys.DATED & spoken.keys():
                behind_s = (market_now - spoken[channel]).total_seconds() / speed
                ages[channel] = max(ages[channel], round(behind_s, 3))
        return Reading(_present(present), ages, spoken, self._calendar_view(calendar, market_now))

    def _calendar_view(self, written: bytes | None, market_now: datetime) -> CalendarView | None:
        if written is None:
            return None
        held, events, problem = self._calendar
        if held != written:
            read = orjson.loads(written)
            events = tuple(EconomicEvent.model_validate(event) for event in read["events"])
            problem = read["problem"]
            self._calendar = (written, events, problem)
        view = next_event(events, market_now)
        if not problem:
            return view
        return view.model_copy(update={"problem": f"{problem}; {view.problem}" if events and view.problem else problem})

    def forming(self, inst_id: str, bar: str) -> Candle | None:
        """The bar that is still forming, as last pushed; no indicator sees it unless asked to."""
        found: Any = self.redis.hgetall(keys.forming(inst_id, bar))
        if not found:
            return None
        open_, high, low, close, contracts, coins, quote = (Decimal(part.decode()) for part in found[b"ohlcv"].split())
        opened = from_ms(int(found[b"ts"]))
        return Candle(inst_id, bar, opened, open_, high, low, close, contracts, coins, quote, False)

    def spoken_at(self, inst_id: str) -> dict[str, datetime]:
        """The exchange's own time of each channel's last word, market time. A silent channel is absent."""
        seen: Any = self.redis.hgetall(keys.seen(inst_id))
        return _spoken(seen)

    def ages(self, inst_id: str, now: datetime) -> dict[str, float]:
        """Wall seconds since each channel last spoke, `now` being wall time. A silent channel is absent."""
        seen: Any = self.redis.hgetall(keys.seen(inst_id))
        return _ages(seen, now)


def _ask_present(pipe: Pipeline, inst_id: str) -> None:
    for key in (keys.ticker, keys.mark, keys.funding, keys.open_interest, keys.book):
        pipe.hgetall(key(inst_id))


def _present(answers: list[Any]) -> Present:
    ticker, mark, funding, interest, book = answers
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


def _spoken(seen: dict[bytes, bytes]) -> dict[str, datetime]:
    return {channel.decode(): from_ms(int(value.split()[1])) for channel, value in seen.items()}


def _ages(seen: dict[bytes, bytes], now: datetime) -> dict[str, float]:
    return {channel.decode(): _age_s(value, now) for channel, value in seen.items()}


def _age_s(seen: bytes, now: datetime) -> float:
    return max(0.0, (to_ms(now) - int(seen.split()[0])) / 1000)


def _raw(response: Any, **_: Any) -> Any:
    return response or []


def open_ms(entry: Any) -> int:
    """Open of a stream entry's candle, ms: its id."""
    return int(entry[0].partition(b"-")[0])


def _candle(inst_id: str, bar: str, entry: Any) -> Candle:
    open_, high, low, close, contracts, coins, quote = (Decimal(part.decode()) for part in entry[1][1].split())
    return Candle(inst_id, bar, from_ms(open_ms(entry)), open_, high, low, close, contracts, coins, quote, True)


def _decimal(fields: Mapping[bytes, bytes], name: bytes) -> Decimal | None:
    value = fields.get(name)
    return Decimal(value.decode()) if value else None


def _levels(written: bytes) -> tuple[BookLevel, ...]:
    return tuple(
        BookLevel(Decimal(px), Decimal(sz)) for px, _, sz in (pair.partition(":") for pair in written.decode().split())
    )
