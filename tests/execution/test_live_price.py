"""The price an entry is compared with before it is sent: the feed's while it is fresh, else the exchange's own."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from exchange.quotes import Ticker
from exchange.redis_client import build_redis
from execution.live_price import FRESH_S, live_price
from execution.submit import submit
from trading.clock import to_ms, wall_now

BTC = "BTC-USDT-SWAP"


@pytest.fixture
def told(bot, redis_url):
    """Have the feed say a last price, some wall seconds ago; the context that reads it."""
    client = build_redis(redis_url)

    def tell(last, ago_s=0.0):
        at = wall_now() - timedelta(seconds=ago_s)
        MarketWriter(client).write([(Ticker(BTC, Decimal(last), None, None, at), to_ms(at))])
        return replace(bot.ctx, market=MarketCache(client))

    yield tell
    client.close()


def test_a_fresh_price_of_the_feed_is_used(bot, told):
    assert live_price(told("123.4"), BTC) == Decimal("123.4")


def test_an_old_price_of_the_feed_is_not(bot, told):
    assert live_price(told("123.4", ago_s=FRESH_S + 0.5), BTC) == bot.okx.ticker(BTC).last


def test_without_redis_the_exchange_is_asked(bot):
    away = replace(bot.ctx, market=MarketCache(build_redis("redis://127.0.0.1:1/0")))
    assert live_price(away, BTC) == bot.okx.ticker(BTC).last


def test_an_entry_far_from_the_feeds_price_is_not_sent(bot, told):
    order = bot.intend(BTC)
    assert submit(told(order.reference_px * 2), order.id) == "expired"
    assert bot.order(order.id).last_code == "price_drift"
    assert bot.accepted(order.cl_ord_id) == 0
