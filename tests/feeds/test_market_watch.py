"""Market alerts as the feed tells them: once a cooldown, also over a restart, from the past that Redis knows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from redis import Redis

from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from exchange.quotes import Funding, OpenInterest, Ticker
from exchange.redis_client import build_redis
from feeds.market_watch import MarketWatch
from trading.candle import Candle

BTC = "BTC-USDT-SWAP"
T0 = datetime(2026, 1, 5, tzinfo=UTC)
D = Decimal


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with build_redis(redis_url) as client:
        yield client


class Market:
    """The board as the feed fills it, and a watch that looks at it."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.board = SimpleNamespace(latest={})
        self.start()

    def start(self) -> None:
        cache = MarketCache(self.redis)
        self.watch = MarketWatch(self.redis, cache, self.board, lambda: (BTC,), cooldown_min=60)  # type: ignore[arg-type]

    def look(self, minute: float, price: str, *, rate: str = "0.0001", interest: str = "1000", wide: str = "0") -> None:
        at = T0 + timedelta(minutes=minute)
        self.board.latest = {
            ("tickers", BTC): Ticker(BTC, D(price), D(price) - D("0.1") - D(wide), D(price), at),
            ("funding-rate", BTC): Funding(BTC, D(rate), T0 + timedelta(hours=8), at),
            ("open-interest", BTC): OpenInterest(BTC, D(interest), at),
        }
        self.watch.look(BTC)

    def told(self) -> list[str]:
        return [json.loads(fields[b"payload"])["kind"] for _, fields in self.redis.xrange("market:alerts")]


def test_a_move_of_three_per_cent_is_told_once_a_cooldown_and_not_again_after_a_restart(redis: Redis) -> None:
    market = Market(redis)
    for minute in range(61):
        market.look(minute, "60000")
    market.look(61, "61700")
    assert market.told() == []
    market.look(62, "61801")
    market.look(63, "62000")
    assert market.told() == ["price_move"]
    _, fields = redis.xrange("market:alerts")[0]
    payload = json.loads(fields[b"payload"])
    assert (payload["value"], payload["unit"]) == (pytest.approx(3.0017, abs=1e-3), "%")
    assert (fields[b"type"], payload["market_at"]) == (b"market_alert", "2026-01-05T01:02:00+00:00")
    market.start()
    for minute in range(64, 125):
        market.look(minute, "60000" if minute < 122 else "64000")
    assert market.told() == ["price_move", "price_move"]


def test_what_was_before_a_silence_is_not_an_hour_ago(redis: Redis) -> None:
    writer, market = MarketWriter(redis), Market(redis)
    for minute in range(30):
        market.look(minute, "60000", interest="1000")
    # Nothing was heard for six hours: neither price nor open interest moved so far in an hour, or in four.
    market.look(390, "64000", interest="1500")
    market.look(391, "64000", interest="1500")
    assert market.told() == []
    # Nor does a feed that begins anew take the bars of this morning for those of an hour ago.
    bars = [
        Candle(BTC, "5m", T0 + timedelta(minutes=5 * n), *[D(60000)] * 4, D(1), D(1), D(1), True) for n in range(12)
    ]
    writer.merge(BTC, "5m", bars)
    market.start()
    market.look(392, "64000", interest="1500")
    assert market.told() == []
    for minute in range(393, 453):
        market.look(minute, "64000", interest="1500")
    market.look(453, "66000", interest="1500")
    assert market.told() == ["price_move"]


def test_funding_and_open_interest_have_cooldowns_of_their_own(redis: Redis) -> None:
    market = Market(redis)
    for minute in range(241):
        market.look(minute, "60000")
    market.start()  # open interest of four hours ago is remembered by Redis
    market.look(241, "60000", rate="0.00051", interest="1101")
    market.look(242, "60000", rate="0.00051", interest="1101")
    assert sorted(market.told()) == ["funding", "open_interest"]
    market.look(302, "60000", rate="0.00051", interest="1000")
    assert sorted(market.told()) == ["funding", "funding", "open_interest"]


def test_an_unusual_spread_and_an_unusual_volume_are_told(redis: Redis) -> None:
    writer, market = MarketWriter(redis), Market(redis)

    def bar(number: int, volume: str) -> Candle:
        prices = [D(60000)] * 4
        return Candle(BTC, "5m", T0 + timedelta(minutes=5 * number), *prices, D(volume), D(1), D(1), confirmed=True)

    writer.merge(BTC, "5m", [bar(number, "100") for number in range(-60, 0)])
    for minute in range(40):
        market.look(minute, "60000")
    market.look(41, "60000", wide="30")
    assert market.told() == ["spread"]
    writer.confirm(bar(8, "250"))
    market.look(45, "60000")
    writer.confirm(bar(9, "301"))
    market.look(50, "60000")
    market.look(51, "60000")
    assert market.told() == ["spread", "volume"]
