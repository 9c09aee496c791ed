"""Real servers for every room's tests: one embedded PostgreSQL and one Redis per run, clean ones per test."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from runtime.postgres import EmbeddedPostgres
from runtime.redis_server import EmbeddedRedis
from tests.databases import Databases, execute

TEMPLATE = "migrated_template"

# No test may reach for the settings or the running bot of whoever runs the tests.
for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "OKXBOT_HOME", "TRADING_MODE", "ANTHROPIC_API_KEY",
             "PERPLEXITY_API_KEY", "TELEGRAM_BOT_TOKEN"):  # fmt: skip
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL server for the whole run. `.url`, `.cluster.url(database)`, `.restart()`."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        # Nobody pulls the plug here, and what the kernel holds outlives a killed server. The bots that tests start
        # whole have servers of their own, as they are shipped.
        execute(server, "ALTER SYSTEM SET fsync = off")
        execute(server, "SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One Redis server for the whole run. `.url` (database 0), `.broker_url` (database 1), `.restart()`."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """Name of a database migrated to head, from which the tests' databases are copied."""
    from runtime.migrate import upgrade_to_head

    execute(postgres_server, f'CREATE DATABASE "{TEMPLATE}"')
    upgrade_to_head(postgres_server.cluster.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """SQLAlchemy URL of a fresh database without tables."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    execute(postgres_server, f'CREATE DATABASE "{name}"')
    yield postgres_server.cluster.url(name)
    execute(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres, migrated_template: str) -> Databases:
    return Databases(postgres_server, migrated_template)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """SQLAlchemy URL of a migrated database without rows, of this test alone."""
    with databases.lent() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """URL of Redis database 0; both databases are empty when the test starts."""
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    return redis_server.url


@pytest.fixture
def broker_url(redis_server: EmbeddedRedis, redis_url: str) -> str:
    """URL of Redis database 1, emptied together with database 0."""
    return redis_server.broker_url


@pytest.fixture(scope="session")
def checkout() -> Path:
    return Path(__file__).resolve().parent.parent
