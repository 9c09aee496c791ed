"""Confirmed candles and funding rates in PostgreSQL: once each, late rather than never."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from exchange.quotes import Funding
from feeds.candle_store import CandleStore
from models import CandleRow, FundingRate
from models.session import SessionFactory
from runtime.postgres import EmbeddedPostgres
from trading.candle import Candle

BTC = "BTC-USDT-SWAP"
START = datetime(2026, 1, 5, tzinfo=UTC)
Until = Callable[..., None]


def candle(number: int, close: str = "60000.1") -> Candle:
    price = Decimal(close)
    return Candle(BTC, "5m", START + number * timedelta(minutes=5), *[price] * 7, confirmed=True)


@pytest.fixture
def store(sessions: SessionFactory) -> Iterator[CandleStore]:
    store = CandleStore(sessions)
    store.start()
    yield store
    store.stop()


def count(sessions: SessionFactory) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(CandleRow)) or 0


def test_candle_is_stored_once_and_as_first_seen(store: CandleStore, sessions: SessionFactory) -> None:
    store.put([candle(0), candle(1)])
    store.put([candle(0, "1"), candle(2)])
    store.stop()
    assert count(sessions) == 3
    with sessions() as session:
        assert session.get_one(CandleRow, (BTC, "5m", START)).close == Decimal("60000.1")


def test_stop_writes_what_is_queued(store: CandleStore, sessions: SessionFactory) -> None:
    store.put(candle(number) for number in range(2000))
    store.stop()
    assert count(sessions) == 2000


def test_latest_rate_of_a_settlement_wins(store: CandleStore, sessions: SessionFactory) -> None:
    settles = START + timedelta(hours=8)
    for rate in ("0.0001", "0.0001", "0.0002"):
        store.put_funding(Funding(BTC, Decimal(rate), settles, START))
    store.put_funding(Funding(BTC, Decimal("-0.0003"), settles + timedelta(hours=8), START))
    store.stop()
    with sessions() as session:
        rows = session.scalars(select(FundingRate).order_by(FundingRate.funding_market_at)).all()
        assert [row.rate for row in rows] == [Decimal("0.0002"), Decimal("-0.0003")]


def test_candles_wait_for_postgresql(
    store: CandleStore, sessions: SessionFactory, postgres_server: EmbeddedPostgres, until: Until
) -> None:
    store.put([candle(0)])
    until(lambda: count(sessions) == 1)
    postgres_server.restart()
    sessions.kw["bind"].dispose()  # the test's own connections; the store must find out by itself
    store.put([candle(1)])
    until(lambda: count(sessions) == 2)
    assert store.alive
