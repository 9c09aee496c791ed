"""What one worker process needs to act: built once, after the fork, for connections are never shared."""

import os
from collections.abc import Callable
from functools import cache

import structlog

import celeryconfig
from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution.binding import read_binding
from execution.context import ExecutionContext
from models.session import build_engine, build_sessions
from settings import load_settings

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


@cache
def execution_context() -> ExecutionContext:
    """Sessions, exchange, clock and account of this process."""
    settings = load_settings()
    service = os.environ.get("OKXBOT_SERVICE", "worker")
    worker = celeryconfig.workers.get(service)
    assert settings.database_url is not None, "DATABASE_URL is set by `okxbot up`"
    engine = build_engine(
        settings.database_url.get_secret_value(),
        service,
        children=worker.children if worker else 1,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
    )
    sessions = build_sessions(engine)
    exchange = OkxExchange.from_settings(settings)
    binding = read_binding(sessions)
    return ExecutionContext(
        sessions=sessions,
        exchange=exchange,
        clock=build_clock(settings),
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=sender(),
    )
