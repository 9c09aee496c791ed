"""What the embedded servers cost: a committed row, a Redis round trip."""

import tempfile
from pathlib import Path
from time import perf_counter

import redis
import sqlalchemy

from bench.registry import Measured, distribution, figure
from runtime.postgres import EmbeddedPostgres
from runtime.redis_server import EmbeddedRedis

_WARM_UP, _SAMPLES = 50, 1000


@figure("postgres-commit")
def postgres_commit() -> Measured:
    """One row inserted and durably committed through SQLAlchemy, on a server of its own."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), durable=True) as server:
        engine = sqlalchemy.create_engine(server.url)
        insert = sqlalchemy.text("INSERT INTO measured (at) VALUES (:at)")
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE measured (id bigserial PRIMARY KEY, at bigint)"))
        samples = []
        for at in range(_WARM_UP + _SAMPLES):
            began = perf_counter()
            with engine.begin() as connection:
                connection.execute(insert, {"at": at})
            samples.append((perf_counter() - began) * 1000)
        engine.dispose()
    return distribution("postgres-commit", samples[_WARM_UP:], "ms")


@figure("redis-xadd")
def redis_xadd() -> Measured:
    """One entry added to a bounded stream, on a server of its own."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as server:
        client = redis.Redis.from_url(server.url)
        samples = []
        for at in range(_WARM_UP + _SAMPLES):
            began = perf_counter()
            client.xadd("measured", {"at": at}, maxlen=1000)
            samples.append((perf_counter() - began) * 1000)
        client.close()
    return distribution("redis-xadd", samples[_WARM_UP:], "ms")
