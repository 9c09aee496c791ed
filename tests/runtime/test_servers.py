"""The embedded servers: they start for root and for an ordinary user, keep what was committed, refuse strangers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
import redis

from runtime.postgres import EmbeddedPostgres
from runtime.redis_server import EmbeddedRedis


def test_committed_row_survives_a_killed_postgres(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=True) as server:
        with psycopg2.connect(server.dsn) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (n numeric)")
            cursor.execute("INSERT INTO kept VALUES (1.10)")
        connection.close()
        server.stop(signal.SIGQUIT)
        server.start()
        with psycopg2.connect(server.dsn) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT n::text FROM kept")
            assert cursor.fetchall() == [("1.10",)]
        connection.close()


def test_first_start_killed_while_the_database_is_made_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from runtime.postgres import Cluster\n"
        "Cluster(Path(sys.argv[1]), 'the password', 1).prepare()"
    )
    folder = tmp_path / "postgres"
    first = subprocess.Popen([sys.executable, "-c", program, str(folder)], start_new_session=True)
    unfinished = folder / "data.new" / "PG_VERSION"
    while not unfinished.exists():
        assert first.poll() is None, "it was done before it could be killed"
        time.sleep(0.005)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (folder / "data").exists(), "what is unfinished must not look finished"
    with EmbeddedPostgres(tmp_path) as server:
        psycopg2.connect(server.dsn).close()
        assert not (folder / "data.new").exists()


def test_postgres_refuses_a_wrong_password(postgres_server: EmbeddedPostgres) -> None:
    stranger = postgres_server.dsn.replace(postgres_server.cluster.password, "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(stranger)


def test_postgres_leaves_nothing_outside_its_folder(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        place = server.cluster.folder.resolve()
        assert (place / "data" / "PG_VERSION").exists()
    assert not place.exists()


def test_redis_refuses_without_password_and_keeps_data_after_a_kill(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=server.server.port).ping()
        client = redis.Redis.from_url(server.url)
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 2000)
        server.stop(signal.SIGKILL)
        server.start()
        assert client.get("kept") == b"yes"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_redis_password_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        assert server.server.configuration.stat().st_mode & 0o077 == 0
        assert server.server.password not in " ".join(server.server.argv())
