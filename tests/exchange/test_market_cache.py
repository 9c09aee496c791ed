"""The present moment in Redis: what is written is what is read, once, in order and bounded."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from exchange import market_keys
from exchange.market_series import SeriesCache
from exchange.market_writer import MarketWriter
from exchange.quotes import Book, BookLevel, Funding, MarkPrice, OpenInterest, Ticker
from exchange.redis_client import build_redis
from trading.candle import Candle
from trading.clock import from_ms, to_ms, wall_now

BTC = "BTC-USDT-SWAP"
START = from_ms(1_700_000_100_000)


@pytest.fixture
def writer(redis_url: str) -> Iterator[MarketWriter]:
    with build_redis(redis_url, idempotent=True) as client:
        yield MarketWriter(client)


@pytest.fixture
def cache(redis_url: str) -> Iterator[SeriesCache]:
    with build_redis(redis_url) as client:
        yield SeriesCache(client)


def candle(number: int, close: str = "60000.1", *, confirmed: bool = True) -> Candle:
    return Candle(
        BTC, "5m", START + number * timedelta(minutes=5), Decimal("59990.5"), Decimal("60010"), Decimal("59980"),
        Decimal(close), Decimal("120.5"), Decimal("1.205"), Decimal("72300.4805"), confirmed,
    )  # fmt: skip


def test_candle_is_read_back_to_the_last_digit(writer: MarketWriter, cache: SeriesCache) -> None:
    written = [candle(0), candle(1, "60001.123456789")]
    for one in written:
        assert writer.confirm(one)
    assert cache.candles(BTC, "5m", 10) == written


def test_repeated_candle_changes_nothing(writer: MarketWriter, cache: SeriesCache) -> None:
    writer.confirm(candle(0))
    assert writer.confirm(candle(0, "1")) is False
    assert cache.candles(BTC, "5m", 10) == [candle(0)]


def test_series_follows_appends_without_losing_or_repeating(writer: MarketWriter, cache: SeriesCache) -> None:
    writer.merge(BTC, "5m", [candle(n) for n in range(5)])
    assert len(cache.series(BTC, {"5m": 3})["5m"]) == 3
    writer.confirm(candle(5, "61000"))
    series = cache.series(BTC, {"5m": 100, "15m": 100})
    assert [int(ts) for ts in series["5m"].ts] == [to_ms(candle(n).ts) for n in range(6)]
    assert series["5m"].close[-1] == 61000.0
    assert series["5m"].volume[-1] == 1.205
    assert len(series["15m"]) == 0


def test_gap_is_filled_in_its_place_for_readers_too(writer: MarketWriter, cache: SeriesCache) -> None:
    writer.confirm(candle(0))
    writer.confirm(candle(4))
    assert len(cache.series(BTC, {"5m": 10})["5m"]) == 2
    assert writer.merge(BTC, "5m", [candle(n) for n in range(5)]).new == 3
    assert [int(ts) for ts in cache.series(BTC, {"5m": 10})["5m"].ts] == [to_ms(candle(n).ts) for n in range(5)]
    assert writer.merge(BTC, "5m", [candle(n) for n in range(5)]).new == 0


def test_forming_candle_is_not_history(writer: MarketWriter, cache: SeriesCache) -> None:
    writer.merge(BTC, "5m", [candle(0), candle(1, confirmed=False)])
    writer.form(candle(1, confirmed=False))
    assert cache.candles(BTC, "5m", 10) == [candle(0)]
    assert cache.last_confirmed(BTC, ("5m", "1H")) == {"5m": candle(0).ts, "1H": None}


def test_stream_is_bounded(writer: MarketWriter, cache: SeriesCache, redis_url: str) -> None:
    writer.merge(BTC, "5m", [candle(n) for n in range(market_keys.KEPT_BARS + 50)])
    for number in range(market_keys.KEPT_BARS + 50, market_keys.KEPT_BARS + 350):
        writer.confirm(candle(number))
    with build_redis(redis_url) as client:
        assert client.xlen(market_keys.candles(BTC, "5m")) < market_keys.KEPT_BARS + 150
    assert len(cache.series(BTC, {"5m": 10_000})["5m"]) <= market_keys.KEPT_BARS + 150


def test_caller_may_change_the_arrays_it_was_given(writer: MarketWriter, cache: SeriesCache) -> None:
    writer.merge(BTC, "5m", [candle(n) for n in range(3)])
    cache.series(BTC, {"5m": 3})["5m"].close[:] = 0
    assert cache.series(BTC, {"5m": 3})["5m"].close[0] == 60000.1


def test_latest_quotes_are_read_together(writer: MarketWriter, cache: SeriesCache) -> None:
    at = wall_now()
    levels = (BookLevel(Decimal("60000.1"), Decimal("3.5")), BookLevel(Decimal("60000"), Decimal(7)))
    writer.write([(Ticker(BTC, Decimal("60000.2"), Decimal("60000.1"), None, at), None)])
    writer.write([(Book(BTC, levels, (), at), None)])
    writer.write([(MarkPrice(BTC, Decimal("60000.05"), at), None)])
    writer.write([(Funding(BTC, Decimal("-0.0001"), from_ms(1_700_006_400_000), at), None)])
    writer.write([(OpenInterest(BTC, Decimal("123456.78"), at), None)])
    present = cache.present(BTC)
    assert (present.last, present.bid, present.ask) == (Decimal("60000.2"), Decimal("60000.1"), None)
    assert (present.mark, present.funding_rate) == (Decimal("60000.05"), Decimal("-0.0001"))
    assert (present.next_funding_at, present.open_interest_contracts) == (
        from_ms(1_700_006_400_000),
        Decimal("123456.78"),
    )
    assert (present.bids, present.asks) == (levels, ())


def test_nothing_is_known_of_a_silent_instrument(cache: SeriesCache) -> None:
    present = cache.present(BTC)
    assert (present.last, present.mark, present.funding_rate, present.next_funding_at) == (None, None, None, None)
    assert cache.ages(BTC, wall_now()) == {}


def test_age_counts_from_when_the_push_was_received(writer: MarketWriter, cache: SeriesCache) -> None:
    now = wall_now()
    writer.write([(Ticker(BTC, Decimal(1), None, None, START), to_ms(now - timedelta(seconds=7)))])
    writer.confirm(candle(0), to_ms(now - timedelta(seconds=2)))
    ages = cache.ages(BTC, now)
    assert ages == pytest.approx({"ticker": 7.0, "candle": 2.0, "candle5m": 2.0}, abs=0.01)


def test_what_was_late_on_its_way_is_as_old_as_the_exchange_says(writer: MarketWriter, cache: SeriesCache) -> None:
    now = wall_now()
    writer.write([(Ticker(BTC, Decimal(1), None, None, now - timedelta(seconds=40)), to_ms(now))])
    writer.confirm(candle(0), to_ms(now))
    reading = cache.reading(BTC, now, now, 1.0)
    assert reading.ages["ticker"] == pytest.approx(40, abs=0.1)
    assert reading.spoken_at["ticker"] == from_ms(to_ms(now - timedelta(seconds=40)))
    # A candle's time is the open of its bar, which says nothing of its age.
    assert reading.ages["candle"] < 1
    # Sixty seconds of market time a wall second: the same delay is less than a second old.
    assert cache.reading(BTC, now, now, 60.0).ages["ticker"] == pytest.approx(40 / 60, abs=0.1)
    assert cache.reading(BTC, now, now, None).ages["ticker"] == pytest.approx(0, abs=0.1)


def test_the_forming_bar_can_be_asked_for(writer: MarketWriter, cache: SeriesCache) -> None:
    assert cache.forming(BTC, "5m") is None
    writer.form(candle(1, confirmed=False))
    assert cache.forming(BTC, "5m") == candle(1, confirmed=False)
