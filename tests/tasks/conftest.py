"""pytest-celery's clusters over local processes: a real Valkey, real prefork workers, and the bot they act for.

The project has no result backend, so the plugin's backend cluster is switched off the way it provides for: the fixture
returns None. What a task did is read where it must be true: in PostgreSQL and in the exchange's own books.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError
from pytest_celery import (
    CeleryBrokerCluster,
    CeleryTestBroker,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
)

import celeryconfig
from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.market_writer import MarketWriter
from execution.context import ExecutionContext
from execution.startup import bind_and_verify
from models.session import build_engine, build_sessions
from paper.launch import launch
from runtime.errors import OperatorError
from runtime.ports import free_port
from runtime.redis_server import RedisServer
from settings import load_settings
from tests.databases import Databases
from tests.execution.conftest import Bot, clear
from tests.tasks.local_process import LocalProcess

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
STARTED = ("orchestrator", "trade", "protect")
OURS = (
    "task_queues", "task_create_missing_queues", "task_routes", "task_default_queue", "task_serializer",
    "accept_content", "task_ignore_result", "task_publish_retry", "broker_transport_options",
)  # fmt: skip


class OkxbotSetup(CeleryTestSetup):
    """The test's own Celery application speaks as the bot's does."""

    @classmethod
    def name(cls) -> str:
        return "okxbot"

    @classmethod
    def update_app_config(cls, app: Celery) -> None:
        app.conf.update({name: getattr(celeryconfig, name) for name in OURS})


def _answers(server: RedisServer) -> Callable[[LocalProcess], bool]:
    def look(_: LocalProcess) -> bool:
        try:
            server.wait_until_ready(0)
        except OperatorError:
            return False
        return True

    return look


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> RedisServer:
    server = RedisServer(tmp_path_factory.mktemp("valkey"), uuid.uuid4().hex, free_port())
    server.prepare()
    return server


@pytest.fixture(scope="module")
def celery_broker_cluster(valkey: RedisServer) -> Iterator[CeleryBrokerCluster]:
    urls = {"url": valkey.url(1), "host_url": valkey.url(1)}
    server = LocalProcess("valkey", valkey.argv(), valkey.folder / "log", _answers(valkey), config=urls)
    server.start()
    cluster = CeleryBrokerCluster(CeleryTestBroker(server))
    assert cluster.ready()
    yield cluster
    server.teardown()


@pytest.fixture
def celery_backend_cluster() -> None:
    """There is none: nobody waits for a result."""


@pytest.fixture(scope="module")
def environment(
    celery_broker_cluster: CeleryBrokerCluster,
    valkey: RedisServer,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """What the workers are started with: a database of this module, a paper exchange in lockstep."""
    exchange = launch(tmp_path_factory.mktemp("exchange"), ["--speed", "lockstep", "--admin", "--warmup-bars", "400"])
    with databases.lent() as database:
        yield {
            "PAPER_SPEED": "lockstep",
            "PAPER_ACCOUNT_FILE": str(exchange.data / "account.json"),
            "OKX_REST_URL": exchange.rest_url,
            "INSTRUMENTS": f"{BTC},{ETH}",
            "ANALYST": "rules",
            "NAKED_GRACE_S": "0.3",
            "MAX_ENTRIES_PER_HOUR": "100",
            "DATABASE_URL": database,
            "REDIS_URL": valkey.url(0),
            "CELERY_BROKER_URL": valkey.url(1),
            "OKXBOT_HOME": str(tmp_path_factory.mktemp("home")),
            "LOG_FORMAT": "json",
        }
    exchange.stop()


@pytest.fixture(scope="module")
def bot(environment: dict[str, str]) -> Iterator[Bot]:
    """The account the workers act for, seen from beside; its own messages go nowhere."""
    settings = load_settings(environment, dotenv=False)
    engine = build_engine(environment["DATABASE_URL"], "tests")
    exchange, clock, sessions = OkxExchange.from_settings(settings), build_clock(settings), build_sessions(engine)
    binding = bind_and_verify(settings, sessions, exchange, clock)
    ctx = ExecutionContext(
        sessions, exchange, clock, settings, binding.account_id, binding.order_prefix, lambda task, queue, args: True
    )
    market = redis.Redis.from_url(environment["REDIS_URL"])
    for inst_id in (BTC, ETH):
        for bar in ("5m", "15m", "1H", "4H"):
            MarketWriter(market).merge(inst_id, bar, exchange.candles(inst_id, bar, 300))
    market.close()
    made = Bot(ctx, _Server(environment["OKX_REST_URL"]), settings)  # type: ignore[arg-type]
    made.look()
    yield made
    clear(exchange)
    exchange.close()
    engine.dispose()


class _Server:
    """The exchange's admin side, as `Bot` uses it."""

    def __init__(self, url: str) -> None:
        import httpx

        port = httpx.get(f"{url}/paper/clock").json()["admin_port"]
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def get(self, path: str) -> Any:
        return self._http.get(path).json()

    def post(self, path: str, body: Any) -> Any:
        return self._http.post(path, json=body).json()

    def clear_faults(self) -> None:
        self._http.delete("/paper/faults")


@pytest.fixture(scope="module")
def celery_worker_cluster(
    bot: Bot, environment: dict[str, str], checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CeleryWorkerCluster]:
    logs = tmp_path_factory.mktemp("workers")
    started = [
        LocalProcess(
            name,
            [sys.executable, "-m", "tasks.worker", name],
            logs / f"{name}.log",
            lambda process: f'"{process.name}_started"' in process.logs(),
            environment={**os.environ, **environment},
            folder=checkout,
        )
        for name in STARTED
    ]
    for process in started:
        process.start()
    cluster = CeleryWorkerCluster(*(CeleryTestWorker(process, app=None) for process in started))
    assert cluster.ready()
    yield cluster
    for process in started:
        process.kill("SIGTERM")
    for process in started:
        process.teardown()


@pytest.fixture
def celery_setup_cls() -> type[CeleryTestSetup]:
    return OkxbotSetup


@pytest.fixture
def worker(celery_setup: CeleryTestSetup) -> Callable[[str], CeleryTestWorker]:
    """The worker of that name, running."""
    nodes = {node.name(): node for node in celery_setup.worker_cluster}

    def running(name: str) -> CeleryTestWorker:
        if nodes[name].container.status != "running":
            nodes[name].restart()
        return nodes[name]

    return running


@pytest.fixture
def publish(celery_setup: CeleryTestSetup) -> Iterator[Callable[..., None]]:
    """Send a message by task name; a connection the broker has dropped is made anew."""

    def send(task: str, *args: Any, **options: Any) -> None:
        for attempt in range(3):
            try:
                celery_setup.app.send_task(task, args=args, retry=False, **options)
                return
            except OperationalError:
                if attempt == 2:
                    raise
                celery_setup.app.pool.force_close_all()

    yield send
    celery_setup.app.close()


def until(condition: Callable[[], object], within_s: float = 20.0, asking: Callable[[], object] = lambda: None) -> None:
    """Wait until `condition()` holds, calling `asking()` before each look."""
    deadline = monotonic() + within_s
    while True:
        asking()
        if condition():
            return
        assert monotonic() < deadline, "did not happen in time"
        sleep(0.1)
