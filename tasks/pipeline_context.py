"""What the stages need beyond acting: market cache, analysts, and what the exchange says of the instruments.

Apart from `tasks.context`, so that the trade and protect workers carry neither indicators nor models.
"""

from functools import cache
from threading import Lock

from brain.build import build_analyst, build_researcher, build_screener
from exchange.market_series import SeriesCache
from exchange.redis_client import build_redis
from pipeline.context import PipelineContext
from pipeline.limits import limits_of
from tasks.context import execution_context

_building = Lock()


def pipeline_context() -> PipelineContext:
    """The context of this process. Raises ReadFailed while the exchange cannot be read: the next task tries again."""
    with _building:
        return _pipeline_context()


@cache
def _pipeline_context() -> PipelineContext:
    execution = execution_context()
    settings = execution.settings
    assert settings.redis_url is not None, "REDIS_URL is set by `okxbot up`"
    exchange = execution.exchange
    return PipelineContext(
        execution=execution,
        settings=settings,
        cache=SeriesCache(build_redis(settings.redis_url.get_secret_value())),
        analyst=build_analyst(settings, execution.sessions, execution.clock, execution.account_id),
        screener=build_screener(settings, execution.sessions, execution.clock, execution.account_id),
        researcher=build_researcher(settings, execution.sessions, execution.clock, execution.account_id),
        limits=limits_of(settings),
        instruments=exchange.instruments(settings.instruments),
        taker_fee_rates={inst: exchange.fee_rate(inst).taker for inst in settings.instruments},
        leverages={inst: exchange.leverage(inst, settings.margin_mode) for inst in settings.instruments},
    )
