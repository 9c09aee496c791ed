"""Engines and sessions. I/O to an exchange or a model never happens inside a transaction."""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, PoolProxiedConnection, QueuePool, create_engine, event
from sqlalchemy.exc import DisconnectionError, TimeoutError
from sqlalchemy.orm import Session, sessionmaker

logger = structlog.get_logger()

SessionFactory = sessionmaker[Session]

# (pool size, overflow) per service; a prefork parent's are divided among its children.
POOLS: dict[str, tuple[int, int]] = {
    "orchestrator": (10, 20),
    "market-feed": (5, 10),
    "account-feed": (5, 10),
    "trade": (5, 10),
    "protect": (5, 10),
}
FACE_POOL = (5, 5)


class OutspokenPool(QueuePool):
    """Says in the log that it is exhausted, and what to raise; whoever wanted a connection fails as before."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except TimeoutError:
            logger.error(
                "pool_exhausted",
                in_use=self.checkedout(),
                pool_size=self.size(),
                waited_s=self.timeout(),
                do="raise DB_POOL_SIZE or DB_MAX_OVERFLOW of this service; all pools together stay under"
                " max_connections of PostgreSQL (docs/runbook.md)",
            )
            raise


def build_engine(
    url: str, service: str = "cli", *, children: int = 1, pool_size: int | None = None, max_overflow: int | None = None
) -> Engine:
    """An engine for one process of `service`, one of `children` that share its pool allowance.

    Times out rather than hangs: connect 5 s, pool 10 s, a statement 30 s, a lock 10 s.
    """
    size, overflow = POOLS.get(service, FACE_POOL)
    size, overflow = pool_size or size, overflow if max_overflow is None else max_overflow
    engine = create_engine(
        url,
        poolclass=OutspokenPool,
        pool_size=max(1, size // children),
        max_overflow=max(1, overflow // children),
        pool_recycle=1800,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "application_name": f"okxbot-{service}",
            "options": "-c statement_timeout=30000 -c lock_timeout=10000 -c timezone=UTC",
        },
    )
    _replace_broken_connections(engine)
    _spare_the_disk(engine)
    return engine


def _replace_broken_connections(engine: Engine) -> None:
    """Look at a connection's socket before use: one that has something to say while nobody asked has been closed.

    That sees a server that stopped or was restarted. SQLAlchemy's own pre-ping asks the server at every checkout, a
    tenth of a decision's time.
    """

    @event.listens_for(engine, "checkout")
    def _(connection: Any, _record: Any, _proxy: Any) -> None:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if connection.closed or waiting.poll(0):
            raise DisconnectionError("the connection is gone")


def _spare_the_disk(engine: Engine) -> None:
    """Heed the execution option `lightly`: the statement's transaction does not wait for the disk."""

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def _(_connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool) -> Any:
        if context.execution_options.get("lightly"):
            # In the same message: a round trip costs as much as the statement.
            statement = f"SET LOCAL synchronous_commit = off; {statement}"
        return statement, parameters


@lru_cache(maxsize=4)
def _committing_by_itself(engine: Engine) -> Engine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def at_once(sessions: SessionFactory, *, lightly: bool = False) -> Iterator[Connection]:
    """A connection whose every statement is a transaction of its own: one round trip, where a session makes three.

    `lightly`: its commits do not wait for the disk.
    """
    with _committing_by_itself(sessions.kw["bind"]).connect() as connection:
        yield connection.execution_options(lightly=True) if lightly else connection


def build_sessions(engine: Engine) -> SessionFactory:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)
