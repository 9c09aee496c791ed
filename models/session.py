"""Engines and sessions. I/O to an exchange or a model never happens inside a transaction."""

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

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


def build_engine(
    url: str, service: str = "cli", *, children: int = 1, pool_size: int | None = None, max_overflow: int | None = None
) -> Engine:
    """An engine for one process of `service`, one of `children` that share its pool allowance.

    Times out rather than hangs: connect 5 s, pool 10 s, a statement 30 s, a lock 10 s.
    """
    size, overflow = POOLS.get(service, FACE_POOL)
    size, overflow = pool_size or size, overflow if max_overflow is None else max_overflow
    return create_engine(
        url,
        pool_size=max(1, size // children),
        max_overflow=max(1, overflow // children),
        pool_recycle=1800,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "application_name": f"okxbot-{service}",
            "options": "-c statement_timeout=30000 -c lock_timeout=10000 -c timezone=UTC",
        },
    )


def build_sessions(engine: Engine) -> SessionFactory:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)
