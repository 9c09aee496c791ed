"""Everything the bot can say of itself at this moment, as one Prometheus collector.

Each part is asked by itself: one that does not answer is missing, with `okxbot_up{part}` 0, and the others are there.
Looks are taken one at a time; two scrapes at once do not count anything twice.
"""

import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from exchange.market_cache import MarketCache
from metrics import books, broker, processes
from metrics.families import gauges
from metrics.followed import CycleTimes, OrderOutcomes
from models.session import SessionFactory
from runtime.home import Home
from settings import Settings
from trading.clock import wall_now

logger = structlog.get_logger()
TROUBLE = (SQLAlchemyError, RedisError, OSError)


@dataclass(eq=False)
class Bot(Collector):
    """Reads PostgreSQL, both Redis databases, the supervisor and the workers' own counters."""

    sessions: SessionFactory
    account_id: int
    market: Redis
    broker: Redis
    settings: Settings
    counters: Path
    _orders: OrderOutcomes = field(default_factory=OrderOutcomes)
    _cycles: CycleTimes = field(default_factory=CycleTimes)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not ask a database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        with self._one_at_a_time:
            up: dict[tuple[str, ...], float] = {}
            for part, read in self._parts():
                try:
                    found = list(read())
                    up[(part,)] = 1.0
                except TROUBLE as error:
                    logger.warning(
                        "not_readable", part=part, error=type(error).__name__, reason=str(error).partition("\n")[0]
                    )
                    found, up[(part,)] = [], 0.0
                yield from found
            yield from gauges("okxbot_up", "1 while this part answers.", ("part",), up)

    def _parts(self) -> tuple[tuple[str, Callable[[], Iterable[Metric]]], ...]:
        return (
            ("postgres", self._books),
            ("redis", self._feeds),
            ("broker", lambda: broker.of_the_queues(self.broker, wall_now())),
            ("services", lambda: processes.of_the_services(Home(self.settings.okxbot_home))),
            ("workers", lambda: of_the_workers(self.counters)),
        )

    def _books(self) -> Iterable[Metric]:
        now = wall_now()
        with self.sessions() as session:
            yield from self._of_the_books(session)
            yield from self._orders.read(session, now)
            yield from self._cycles.read(session)

    def _of_the_books(self, session: Session) -> Iterable[Metric]:
        now, account = wall_now(), self.account_id
        yield from books.of_the_state(session, account, now)
        yield from books.of_positions(session, account, now)
        yield from books.of_the_budget(session, account, now, self.settings)
        yield from books.of_waiting_work(session, account, now)
        yield from books.of_the_database(session)

    def _feeds(self) -> Iterable[Metric]:
        cache, now = MarketCache(self.market), wall_now()
        ages = {(inst, channel): age for inst in self.settings.instruments
                for channel, age in cache.ages(inst, now).items()}  # fmt: skip
        yield from gauges("okxbot_feed_lag_seconds", "Since each channel last spoke.", ("instrument", "channel"), ages)
        yield from broker.of_the_server(self.market)


def of_the_workers(folder: Path) -> Iterable[Metric]:
    """What the processes have counted, those that ended and those of other containers included.

    Raises OSError where a file is cut off or holds something else.
    """
    files = [str(path) for path in sorted(folder.rglob("*.db"))]
    try:
        return MultiProcessCollector.merge(files) if files else ()
    except (struct.error, ValueError) as error:
        raise OSError(f"the counters in {folder} cannot be read: {error}") from error
