"""A paper exchange in lockstep, settings that name the test's own servers, and a look into the task queues."""

import base64
import json
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pytest
import redis

from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.market_series import SeriesCache
from exchange.redis_client import build_redis
from execution.context import ExecutionContext
from execution.startup import bind_and_verify
from feeds.dispatch import Dispatcher
from feeds.market import MarketFeed, build
from models.session import SessionFactory, build_engine, build_sessions
from paper.launch import ExchangeProcess, launch
from settings import AnySettings, load_settings
from trading.clock import wall_now


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One paper exchange for the room; it advances only when told to."""
    process = launch(tmp_path_factory.mktemp("paper"), ["--speed", "lockstep", "--admin", "--warmup-bars", "600"])
    yield process
    process.stop()


@pytest.fixture
def environment(paper: ExchangeProcess, database_url: str, redis_url: str, broker_url: str) -> dict[str, str]:
    """What a feed process is started with."""
    return {
        "PAPER_SPEED": "lockstep",
        "PAPER_ACCOUNT_FILE": str(paper.data / "account.json"),
        "OKX_REST_URL": paper.rest_url,
        "OKX_WS_URL": paper.ws_url.removesuffix("/ws/v5"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": broker_url,
        "ANALYST": "rules",
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> AnySettings:
    return load_settings(environment, dotenv=False)


@pytest.fixture
def flowing_settings(environment: dict[str, str]) -> AnySettings:
    """As of a bot whose market flows: the feed opens cycles itself."""
    return load_settings({**environment, "PAPER_SPEED": "60"}, dotenv=False)


@pytest.fixture
def sessions(database_url: str) -> Iterator[SessionFactory]:
    engine = build_engine(database_url, "account-feed")
    yield build_sessions(engine)
    engine.dispose()


@pytest.fixture
def dispatcher(broker_url: str) -> Iterator[Dispatcher]:
    sender = Dispatcher(broker_url)
    yield sender
    sender.close()


@pytest.fixture
def ctx(settings: AnySettings, sessions: SessionFactory, dispatcher: Dispatcher) -> Iterator[ExecutionContext]:
    """The database bound to the paper account, which is flat again afterwards."""
    exchange, clock = OkxExchange.from_settings(settings), build_clock(settings)
    binding = bind_and_verify(settings, sessions, exchange, clock)
    yield ExecutionContext(
        sessions, exchange, clock, settings, binding.account_id, binding.order_prefix, dispatcher.publish
    )
    for position in exchange.positions():
        exchange.close_position(position.inst_id, position.mgn_mode, "")
    for algo in exchange.algos_pending():
        exchange.cancel_algos([(algo.inst_id, algo.algo_id)])
    exchange.close()


@pytest.fixture
def cache(redis_url: str) -> Iterator[SeriesCache]:
    with build_redis(redis_url) as client:
        yield SeriesCache(client)


@pytest.fixture
def feed(settings: AnySettings, cache: SeriesCache) -> Iterator[MarketFeed]:
    """A running feed that has its history and its first quotes."""
    yield from _running(settings, cache)


@pytest.fixture
def opening_feed(flowing_settings: AnySettings, cache: SeriesCache) -> Iterator[MarketFeed]:
    yield from _running(flowing_settings, cache)


def _running(settings: AnySettings, cache: SeriesCache) -> Iterator[MarketFeed]:
    feed = build(settings)
    feed.start()
    # Six channels and a candle channel for each bar.
    until(lambda: feed.ready and all(len(cache.ages(inst, wall_now())) >= 10 for inst in settings.instruments))
    yield feed
    feed.stop()


@pytest.fixture
def queued(broker_url: str) -> Iterator[Callable[[str], list[tuple[str, list[Any]]]]]:
    """The messages waiting in a queue, oldest first: (task, args)."""
    broker = redis.Redis.from_url(broker_url)

    def look(queue: str) -> list[tuple[str, list[Any]]]:
        found = []
        for raw in reversed(broker.lrange(f"okxbot:{queue}", 0, -1)):
            message = json.loads(raw)
            args = json.loads(base64.b64decode(message["body"]))[0]
            found.append((message["headers"]["task"], args))
        return found

    yield look
    broker.close()


def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until `condition()` holds."""
    deadline = monotonic() + within_s
    while not condition():
        assert monotonic() < deadline, "did not happen in time"
        sleep(0.01)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until
