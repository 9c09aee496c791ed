"""What a statement costs and promises: its own transaction, with or without waiting for the disk."""

import pytest
import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, TimeoutError

from models.session import FACE_POOL, POOLS, at_once, build_engine, build_sessions
from runtime.postgres import SERVER_SETTINGS
from runtime.roles import BOT, MOST_CONNECTIONS

SERVICES = ("orchestrator", "market-feed", "account-feed", "trade", "protect", "account", "haiku", "opus", "perplexity",
            "reflection", "telegram", "metrics", "cli")  # fmt: skip
DURABILITY = select(func.current_setting("synchronous_commit"))


@pytest.fixture
def sessions(database_url):
    engine = build_engine(database_url, "tests")
    sessions = build_sessions(engine)
    with at_once(sessions) as connection:  # the tests' server is set up not to wait; this database shall
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET synchronous_commit = on"))
    engine.dispose()
    yield sessions
    engine.dispose()


def test_a_statement_at_once_is_committed_by_itself(sessions):
    with at_once(sessions, lightly=True) as connection:
        connection.execute(text("CREATE TABLE kept (n int)"))
        connection.execute(text("INSERT INTO kept VALUES (1)"))
        with pytest.raises(DBAPIError):
            connection.execute(text("INSERT INTO kept VALUES (1 / 0)"))
        with sessions() as session:
            assert session.scalar(text("SELECT sum(n) FROM kept")) == 1


def test_lightly_spares_the_disk_for_that_statement_only(sessions):
    with at_once(sessions, lightly=True) as connection:
        assert connection.scalar(DURABILITY) == "off"
    with at_once(sessions) as connection:
        assert connection.scalar(DURABILITY) == "on"
    with sessions.begin() as session:
        assert session.scalar(DURABILITY) == "on"


def test_a_session_after_one_at_once_still_rolls_back(sessions):
    with at_once(sessions) as connection:
        connection.execute(text("CREATE TABLE undone (n int)"))
    with pytest.raises(RuntimeError), sessions.begin() as session:
        session.execute(text("INSERT INTO undone VALUES (1)"))
        raise RuntimeError
    with at_once(sessions) as connection:
        assert connection.scalar(text("SELECT count(*) FROM undone")) == 0


def test_a_connection_whose_server_has_gone_is_replaced_before_use(sessions):
    with at_once(sessions) as connection:
        first = connection.scalar(text("SELECT pg_backend_pid()"))
        with sessions() as other:
            assert other.scalar(text(f"SELECT pg_terminate_backend({first}, 5000)"))
    # In its place: the pool has both, and the one that was ended is not given out again.
    with at_once(sessions) as one, at_once(sessions) as two:
        assert first not in {pool_member.scalar(text("SELECT pg_backend_pid()")) for pool_member in (one, two)}


def test_an_exhausted_pool_is_named_in_the_log_with_what_to_raise(database_url):
    engine = build_engine(database_url, "trade", pool_size=1, max_overflow=0)
    engine.pool._timeout = 0.05
    with structlog.testing.capture_logs() as logged, engine.connect(), engine.connect(), pytest.raises(TimeoutError):
        engine.connect()
    engine.dispose()
    (said,) = [line for line in logged if line["event"] == "pool_exhausted"]
    assert (said["in_use"], said["log_level"]) == (2, "error")
    assert "DB_MAX_OVERFLOW" in said["do"]


def test_no_statement_and_no_lock_is_waited_for_without_end(sessions):
    with at_once(sessions) as connection:
        shown = [connection.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]
    assert shown == ["30s", "10s"]


def test_all_pools_together_stay_within_what_the_server_allows():
    most = sum(sum(POOLS.get(service, FACE_POOL)) for service in SERVICES)
    assert most <= MOST_CONNECTIONS[BOT]
    reserved = 3 + 5  # the superuser's, and the owner's for migrations and backups
    assert sum(MOST_CONNECTIONS.values()) + reserved <= int(SERVER_SETTINGS["max_connections"])
