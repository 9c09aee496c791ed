"""A disk that fills up under a running bot: said, survived, and carried on from when there is space again."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest
from supervisor import loggers

from runtime.incidents import Incident, IncidentLog
from runtime.postgres import EmbeddedPostgres
from runtime.supervision import SupervisorClient
from runtime.supervisor_logs import PatientFileHandler
from tests.runtime.test_session import SmallBot, read_until, wait_for

DISK_MB = 260  # a little more than a start asks for


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, which everybody may enter; only root can make one, in some containers nobody can."""
    place = Path(tempfile.mkdtemp(prefix="okxbot-disk-", dir="/var/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        place.rmdir()
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    place.rmdir()


def fill(file: Path) -> None:
    with pytest.raises(OSError, match="No space left"), file.open("wb", buffering=0) as out:
        while True:
            out.write(b"\0" * 4096)


def runs(client: SupervisorClient, service: str) -> int | None:
    """Its process if it has outlived its first second; one that dies earlier is reported in other words."""
    state = client.states()[service]
    return state.pid if state.state == "RUNNING" else None


def test_full_disk_is_reported_and_the_bot_outlives_it(small_disk: Path) -> None:
    bot = SmallBot(small_disk / "home")
    try:
        process = bot.up()
        read_until(process, "the status is shown")
        client = SupervisorClient(bot.home)
        supervisor, before = client.pid(), client.states()["trade"].pid
        assert before is not None
        fill(small_disk / "filling")
        read_until(process, "MB are free on the disk of")
        # Its death and restart are logged, on a disk that takes nothing.
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: runs(client, "trade") not in (None, before))
        assert client.pid() == supervisor
        (small_disk / "filling").unlink()
        read_until(process, "MB are free again")
        after = runs(client, "trade")
        assert after is not None
        os.kill(after, signal.SIGKILL)
        read_until(process, "trade died (killed by a signal)")
        read_until(process, "trade runs again")
        process.send_signal(signal.SIGTERM)
        read_until(process, "everything stopped")
        assert process.wait(10) == 0
        assert "shutdown_complete" in (bot.home.logs / "trade.log").read_text()
    finally:
        bot.clean_up()
        bot.remove_database()


def test_database_on_a_full_disk_loses_nothing_committed(small_disk: Path) -> None:
    with EmbeddedPostgres(small_disk, durable=True) as server:
        assert server.cluster.data.is_relative_to(small_disk)
        connection = psycopg2.connect(server.dsn)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE facts (id int PRIMARY KEY, words text)")
        fill(small_disk / "filling")
        committed = 0
        # Segments of its log written before may be used again: it takes a while until there is no room.
        with pytest.raises(psycopg2.Error):
            while committed < 100_000:
                cursor.execute("INSERT INTO facts VALUES (%s, repeat(md5(random()::text), 1000))", (committed,))
                committed += 1
        connection.close()
        (small_disk / "filling").unlink()
        # In a running bot the supervisor does this, until there is space.
        server.restart()
        connection = psycopg2.connect(server.dsn)
        cursor = connection.cursor()
        cursor.execute("SELECT count(*), max(id) FROM facts WHERE length(words) = 32000")
        assert cursor.fetchone() in ((committed, committed - 1 if committed else None), (committed + 1, committed))
        connection.close()


def test_start_on_a_full_disk_is_one_line(small_disk: Path) -> None:
    fill(small_disk / "filling")
    answer = SmallBot(small_disk / "home").command("up")
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert "the disk is full; free some space" in answer.stderr


def test_log_line_that_cannot_be_written_is_dropped_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    handler = PatientFileHandler("/dev/full", "a", 1000, 1)
    handler.setFormat("%(message)s")
    logger = loggers.Logger(handlers=[handler])
    logger.info("lost")
    logger.info("lost, too")
    assert capfd.readouterr() == ("", "")
    # What is no trouble of the disk is still told.
    logger.info("%(missing)s", other=1)
    assert "Traceback" in capfd.readouterr().err
    with suppress(OSError):
        handler.close()


def test_incident_cut_short_by_a_full_disk_is_passed_over(tmp_path: Path) -> None:
    log = IncidentLog(tmp_path / "incidents.jsonl")
    log.add(Incident("2026-01-01T00:00:00+00:00", "trade", "died", "killed by a signal"))
    log.path.write_text(log.path.read_text() + '{"at": "2026-01-01T00:00:01+0')
    log.add(Incident("2026-01-01T00:00:02+00:00", "haiku", "died", "killed by a signal"))
    assert [incident.service for incident in log.all()] == ["trade", "haiku"]
