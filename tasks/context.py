"""The context of one worker process, built once after the fork: connections are never shared between processes."""

import os
from collections.abc import Callable
from functools import cache

import structlog

import celeryconfig
from brain.build import build_analyst, build_researcher, build_screener
from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.errors import ReadFailed
from exchange.market_cache import MarketCache
from exchange.redis_client import build_redis
from execution.binding import read_binding
from execution.context import ExecutionContext
from models.session import build_engine, build_sessions
from pipeline.context import PipelineContext
from settings import load_settings
from trading.gate.limits import limits_from

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


@cache
def pipeline_context() -> PipelineContext:
    """The execution context with market cache, analysts and what the exchange says of the instruments."""
    execution = execution_context()
    settings = execution.settings
    assert settings.redis_url is not None, "REDIS_URL is set by `okxbot up`"
    exchange = execution.exchange
    return PipelineContext(
        execution=execution,
        settings=settings,
        cache=MarketCache(build_redis(settings.redis_url.get_secret_value())),
        analyst=build_analyst(settings, execution.sessions, execution.clock, execution.account_id),
        screener=build_screener(settings, execution.sessions, execution.clock, execution.account_id),
        researcher=build_researcher(settings, execution.sessions, execution.clock, execution.account_id),
        limits=limits_from(settings),
        instruments=exchange.instruments(settings.instruments),
        taker_fee_rates={inst: exchange.fee_rate(inst)[1] for inst in settings.instruments},
        leverages={inst: exchange.leverage(inst, settings.margin_mode) for inst in settings.instruments},
    )


def warm() -> None:
    """Build the context before the first task, so that the first decision is not the slowest. Failing here is no
    failure: the first task tries again and reports it."""
    service = os.environ.get("OKXBOT_SERVICE", "")
    try:
        if service in ("orchestrator", "haiku", "opus", "perplexity", "reflection"):
            pipeline_context()
        else:
            execution_context()
    except (ReadFailed, OSError) as error:
        logger.warning("warm_up_failed", error=str(error))
