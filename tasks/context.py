"""What one worker process needs to act: built once, after the fork, for connections are never shared."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import RLock

import structlog

import celeryconfig
from exchange.clock import build_clock
from execution.binding import read_binding
from execution.context import ExecutionContext
from models.session import SessionFactory, build_engine, build_sessions
from settings import AnySettings, load_settings
from trading.clock import Clock

logger = structlog.get_logger()


def sender() -> Callable[[str, str, list[object]], bool]:
    """Publishes a task message by name, once; a failure is logged and left to the sweep."""
    from kombu.exceptions import OperationalError

    from tasks.app import app

    def send(task: str, queue: str, args: list[object]) -> bool:
        try:
            app.send_task(task, args=args, queue=queue, retry=False)
        except (OperationalError, OSError) as error:
            logger.warning("send_failed", task=task, error=type(error).__name__)
            return False
        return True

    return send


@dataclass(frozen=True, slots=True)
class Ground:
    """What every worker stands on: settings, sessions, the clock, whose account it is."""

    settings: AnySettings
    sessions: SessionFactory
    clock: Clock
    account_id: int
    order_prefix: str


_building = RLock()


def ground() -> Ground:
    """The ground of this process; its threads share one. Raises Refused where no account is bound yet."""
    with _building:
        return _ground()


def execution_context() -> ExecutionContext:
    """The ground and the exchange. Raises CredentialsMissing."""
    with _building:
        return _execution_context()


@cache
def _ground() -> Ground:
    settings = load_settings()
    service = os.environ.get("OKXBOT_SERVICE", "worker")
    worker = celeryconfig.workers.get(service)
    assert settings.database_url is not None, "DATABASE_URL is set by `okxbot up`"
    engine = build_engine(
        settings.database_url.get_secret_value(),
        service,
        children=worker.concurrency if worker and worker.pool == "prefork" else 1,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
    )
    sessions = build_sessions(engine)
    binding = read_binding(sessions)
    return Ground(settings, sessions, build_clock(settings), binding.account_id, binding.order_prefix)


@cache
def _execution_context() -> ExecutionContext:
    # Imported here: the reflection worker never talks to the exchange.
    from exchange.client import OkxExchange
    from exchange.market_cache import MarketCache
    from exchange.redis_client import build_redis

    base = _ground()
    assert base.settings.redis_url is not None, "REDIS_URL is set by `okxbot up`"
    return ExecutionContext(
        sessions=base.sessions,
        exchange=OkxExchange.from_settings(base.settings),
        clock=base.clock,
        settings=base.settings,
        account_id=base.account_id,
        order_prefix=base.order_prefix,
        send=sender(),
        market=MarketCache(build_redis(base.settings.redis_url.get_secret_value())),
    )
