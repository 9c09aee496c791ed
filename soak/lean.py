"""A bot reduced to what the proofs of single orders need: durable PostgreSQL, Redis, the paper exchange, workers.

Everything is real and may be killed: the servers restart on their data, Redis also on an older copy of it. What feeds
and beat would do (looking at the exchange, sending lost messages again) the prover does itself, through `ctx`.
"""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

import celeryconfig
from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution.context import ExecutionContext
from execution.reconcile import reconcile
from execution.startup import bind_and_verify
from models.session import build_engine, build_sessions
from paper.launch import ExchangeProcess, launch
from runtime.migrate import upgrade_to_head
from runtime.ports import free_port
from runtime.postgres import EmbeddedPostgres
from runtime.redis_server import RedisServer
from settings import load_settings
from soak.judge import Judge
from soak.process import WorkerProcess

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
# Short, so that a proof of absence takes little longer than the crash; not so short that a busy machine makes a request
# come too late for the exchange.
SHORT = {"HTTP_TIMEOUT_S": "3", "ORDER_EXP_S": "3", "UNKNOWN_GRACE_S": "0.2", "NAKED_GRACE_S": "0.3"}


class RedisProcess:
    """A Redis that can be set back to an older state of itself."""

    def __init__(self, folder: Path) -> None:
        self.server = RedisServer(folder / "redis", "soak", free_port())
        self.server.prepare()
        self._copy = folder / "redis-copy"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.server.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.server.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.server.wait_until_ready(20)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def remember(self) -> None:
        """Keep a copy of its data as they are now."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.server.folder / "appendonlydir", self._copy)

    def roll_back(self) -> None:
        """As after a power cut that lost the last writes: restart on the copy."""
        self.stop()
        shutil.rmtree(self.server.folder / "appendonlydir")
        shutil.copytree(self._copy, self.server.folder / "appendonlydir")
        self.start()


@dataclass
class LeanStack:
    """`ctx` acts for the same account as the workers do; its own messages go to the broker like theirs."""

    folder: Path
    postgres: EmbeddedPostgres
    redis: RedisProcess
    exchange: ExchangeProcess
    ctx: ExecutionContext
    judge: Judge
    environment: dict[str, str]
    celery: Celery
    workers: dict[str, WorkerProcess] = field(default_factory=dict)

    @property
    def failpoints(self) -> Path:
        return self.folder / "failpoints"

    def publish(self, task: str, *args: Any) -> bool:
        """Send a message once; False when the broker cannot be reached."""
        queue = task.partition(".")[0]
        try:
            with self.celery.connection_for_write() as connection:
                self.celery.send_task(task, args=args, queue=queue, retry=False, connection=connection)
        except (OperationalError, OSError):
            return False
        return True

    def fault(self, name: str, path: str, **more: Any) -> None:
        """The next request to `path` meets this fault."""
        answer = self.exchange.post("/paper/faults", {"name": name, "path": path, **more})
        if "fault" not in answer:
            raise ValueError(f"the exchange refused the fault {name}: {answer}")

    def crash_postgres(self) -> None:
        """As if the power had gone: no checkpoint, recovery at the next start."""
        self.postgres.stop(signal.SIGQUIT)
        self.postgres.start()

    def start_workers(self, *names: str) -> None:
        """Start these side by side and wait until they take messages."""
        for name in names:
            self.workers[name] = WorkerProcess(name, self.environment, self.folder)
            self.workers[name].start(wait=False)
        for name in names:
            self.workers[name].wait_ready()

    def worker(self, name: str) -> WorkerProcess:
        """The worker of that name, running."""
        if name not in self.workers:
            self.workers[name] = WorkerProcess(name, self.environment, self.folder)
            self.workers[name].start()
        self.workers[name].ensure()
        return self.workers[name]


@contextmanager
def lean_stack(folder: Path, *, disk: Path | None = None, **settings: str) -> Iterator[LeanStack]:
    """Start it in `folder`, lockstep market, flat account; stop and leave nothing running.

    `disk`: where PostgreSQL keeps its data, if not in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failpoints").mkdir()
    redis = RedisProcess(folder)
    arguments = ["--speed", "lockstep", "--admin", "--warmup-bars", "300"]
    with EmbeddedPostgres(disk or folder, durable=True) as postgres:
        upgrade_to_head(postgres.url)
        exchange = launch(folder / "exchange", arguments)
        redis.start()
        environment = SHORT | {
            "PAPER_SPEED": "lockstep",
            "PAPER_ACCOUNT_FILE": str(exchange.data / "account.json"),
            "OKX_REST_URL": exchange.rest_url,
            "ANALYST": "rules",
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.server.url(0),
            "CELERY_BROKER_URL": redis.server.url(1),
            "OKXBOT_HOME": str(folder),
            "LOG_FORMAT": "json",
            "OKXBOT_TEST_FAILPOINT": str(folder / "failpoints"),
        } | settings  # fmt: skip
        stack = _connect(folder, postgres, redis, exchange, environment)
        try:
            yield stack
        finally:
            for worker in stack.workers.values():
                worker.kill()
            stack.ctx.sessions.kw["bind"].dispose()
            stack.ctx.exchange.close()
            stack.celery.close()
            redis.stop()
            exchange.stop()


def _connect(
    folder: Path,
    postgres: EmbeddedPostgres,
    redis: RedisProcess,
    exchange: ExchangeProcess,
    environment: dict[str, str],
) -> LeanStack:
    settings = load_settings(environment, dotenv=False)
    sessions, clock = build_sessions(build_engine(postgres.url, "soak")), build_clock(settings)
    client = OkxExchange.from_settings(settings)
    binding = bind_and_verify(settings, sessions, client, clock)
    celery = Celery("soak")
    celery.config_from_object(celeryconfig)
    celery.conf.update(broker_url=redis.server.url(1))
    ctx = ExecutionContext(
        sessions=sessions, exchange=client, clock=clock, settings=settings, account_id=binding.account_id,
        order_prefix=binding.order_prefix, send=lambda task, queue, args: stack.publish(task, *args),
    )  # fmt: skip
    stack = LeanStack(folder, postgres, redis, exchange, ctx, Judge(ctx, exchange.get), environment, celery)
    reconcile(ctx, "soak")
    return stack
