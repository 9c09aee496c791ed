"""The whole bot under its supervisor, seen and disturbed from outside. Times are wall seconds."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
from celery import Celery
from kombu.exceptions import OperationalError

import celeryconfig
from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution.binding import read_binding
from execution.context import ExecutionContext
from models.session import build_engine, build_sessions
from runtime.environment import Plan, plan_of
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.orphans import remove_database
from runtime.supervision import SupervisorClient
from settings import load_settings
from soak.judge import Judge
from soak.process import CHECKOUT

SPEED = 60
# What limits how often and how much may be traded is loosened; what guards a single order is not.
LOOSE = {
    "ANALYST": "rules", "PAPER_SPEED": str(SPEED), "MAX_ENTRIES_PER_HOUR": "1000", "REENTRY_COOLDOWN_MIN": "0",
    "MAX_CONSECUTIVE_LOSSES": "1000", "DAILY_LOSS_HALT_PCT": "90", "DRAWDOWN_HALT_PCT": "90",
}  # fmt: skip


@dataclass
class WholeBot:
    """`ctx` acts for the same account as the bot; `judge` compares its books with the exchange."""

    home: Home
    plan: Plan
    ctx: ExecutionContext
    supervisor: SupervisorClient
    celery: Celery

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=30, trust_env=False)
        self.judge = Judge(self.ctx, self.ask)

    @property
    def failpoints(self) -> Path:
        return self.home.folder / "failpoints"

    def ask(self, path: str, **query: Any) -> Any:
        """GET of the exchange's admin port. Raises httpx.HTTPError while it is down."""
        return self._admin("GET", path, params=query)

    def close(self) -> None:
        """Close its own connections."""
        self._http.close()

    def fault(self, **body: Any) -> None:
        """Order a fault. Raises httpx.HTTPError while the exchange is down."""
        answer = self._admin("POST", "/paper/faults", json=body)
        if "fault" not in answer:
            raise ValueError(f"the exchange refused the fault {body}: {answer}")

    def clear_faults(self) -> None:
        self._admin("DELETE", "/paper/faults")

    def _admin(self, method: str, path: str, **more: Any) -> Any:
        # Its admin port is another one after each of its restarts.
        port = self._http.get(f"{self.plan.okx_rest_url}/paper/clock").json()["admin_port"]
        return self._http.request(method, f"http://127.0.0.1:{port}{path}", **more).json()

    def pid(self, service: str) -> int | None:
        """Of the service's first process, which leads its group; None while it is down."""
        return self.supervisor.states()[service].pid

    def signal(self, service: str, number: int) -> None:
        """To the service's whole process group; nothing while it is down."""
        pid = self.pid(service)
        if pid is not None:
            try:
                os.killpg(pid, number)
            except ProcessLookupError:
                return

    def kill_child(self, service: str) -> None:
        pid = self.pid(service)
        try:
            children = psutil.Process(pid).children() if pid else []
        except psutil.NoSuchProcess:
            return
        for child in children[:1]:
            child.kill()

    def running(self) -> bool:
        return all(state.state == "RUNNING" for state in self.supervisor.states().values())

    def keep_redis(self) -> None:
        """A copy of Redis as it is now, for `roll_back_redis`."""
        kept = self.home.folder / "redis-kept"
        shutil.rmtree(kept, ignore_errors=True)
        try:
            shutil.copytree(self.home.redis / "appendonlydir", kept)
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(kept, ignore_errors=True)  # it was rewriting its files just then

    def roll_back_redis(self) -> None:
        """As after a power cut that lost the last seconds."""
        kept, data = self.home.folder / "redis-kept", self.home.redis / "appendonlydir"
        self.supervisor.stop(["redis"])
        deadline = monotonic() + 30
        while self.pid("redis") is not None and monotonic() < deadline:
            sleep(0.02)
        if kept.exists():
            shutil.rmtree(data, ignore_errors=True)
            shutil.copytree(kept, data)
        self.supervisor.start(["redis"])

    def publish(self, task: str, queue: str, args: list[Any]) -> bool:
        """Send a message once; False when the broker cannot be reached."""
        try:
            with self.celery.connection_for_write() as connection:
                self.celery.send_task(task, args=args, queue=queue, retry=False, connection=connection)
        except (OperationalError, OSError):
            return False
        return True

    def switch_exchange(self, switches: dict[str, str]) -> None:
        """Restart the exchange under other switches."""
        (self.home.run / "switches.json").write_text(json.dumps(switches))
        self.signal("exchange", signal.SIGTERM)


@contextmanager
def whole_bot(home: Path, *, everything: bool = False, **settings: str) -> Iterator[WholeBot]:
    """Start it, hand it over, stop it; `everything`: with the services no order needs. Raises OperatorError when it
    does not start.
    """
    which = ("--everything",) if everything else ()
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    failpoints = home / "failpoints"
    failpoints.mkdir(parents=True, exist_ok=True)
    named = {"OKXBOT_HOME": str(home), "OKXBOT_TEST_FAILPOINT": str(failpoints)} | LOOSE | settings
    environment = keep | named
    try:
        _command(environment, *which)
        with _connect(home, named) as bot:
            yield bot
    finally:
        _command(environment, "--down", *which)
        remove_database(Home(home).postgres)


def _command(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "soak.bring_up", *arguments],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise OperatorError(f"{done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")


@contextmanager
def _connect(folder: Path, environment: dict[str, str]) -> Iterator[WholeBot]:
    home = Home(folder)
    plan = plan_of(load_settings(environment, dotenv=False), home)
    settings = load_settings(
        environment | {"OKX_REST_URL": plan.okx_rest_url, "PAPER_ACCOUNT_FILE": str(home.account_file)}, dotenv=False
    )
    sessions = build_sessions(build_engine(plan.database_url, "soak"))
    binding = read_binding(sessions)
    celery = Celery("soak")
    celery.config_from_object(celeryconfig)
    celery.conf.update(broker_url=plan.broker_url)
    ctx = ExecutionContext(
        sessions=sessions, exchange=OkxExchange.from_settings(settings), clock=build_clock(settings),
        settings=settings, account_id=binding.account_id, order_prefix=binding.order_prefix,
        send=lambda task, queue, args: bot.publish(task, queue, args),
    )  # fmt: skip
    bot = WholeBot(home, plan, ctx, SupervisorClient(home), celery)
    try:
        yield bot
    finally:
        bot.close()
        ctx.exchange.close()
        sessions.kw["bind"].dispose()
        celery.close()
