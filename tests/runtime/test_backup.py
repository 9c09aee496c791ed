"""A backup is whole or refused; a restore swaps a whole database in or changes nothing. The drill under load is in
tests/composition.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from runtime.backup import back_up, description_of, program, read_description, rotate
from runtime.errors import OperatorError
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres
from runtime.restore import UNFINISHED, restore
from runtime.roles import BOT, READER, let_log_in

OPEN_CYCLE = (
    "INSERT INTO decision_cycles (account_id, inst_id, slot, opened_by, deadline) VALUES (1, 'BTC-USDT-SWAP',"
    " now() + random() * interval '9 years', 'beat', now()) RETURNING id"
)


def one(dsn: str, statement: str):
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("backup")) as postgres:
        upgrade_to_head(postgres.url)
        one(postgres.dsn, "INSERT INTO accounts (mode, uid, order_prefix) VALUES ('paper', '7', 'b1')")
        one(postgres.dsn, "INSERT INTO bot_state (account_id, reconciled_at) VALUES (1, now())")
        yield postgres


@pytest.fixture(scope="module")
def dump(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Taken while another session writes."""
    stop, writing = threading.Event(), threading.Event()

    def write() -> None:
        with closing(psycopg2.connect(server.dsn)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute(OPEN_CYCLE)
                connection.commit()
                writing.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert writing.wait(20)
    try:
        path, _ = back_up(server.dsn, tmp_path_factory.mktemp("dumps"))
    finally:
        stop.set()
        writer.join()
    return path


def copy_of(dump: Path, folder: Path) -> Path:
    copy = folder / dump.name
    copy.write_bytes(dump.read_bytes())
    description_of(copy).write_text(description_of(dump).read_text())
    return copy


def test_restored_is_what_was_dumped_under_writes_and_what_was_there_is_kept(server, dump):
    described = read_description(dump)
    later = one(server.dsn, OPEN_CYCLE)
    assert 0 < described.rows["decision_cycles"] < later
    said: list[str] = []
    restore(server.dsn, dump, "tests", said.append)
    assert one(server.dsn, "SELECT count(*) FROM decision_cycles") == described.rows["decision_cycles"]
    assert one(server.dsn, "SELECT reconciled_at IS NULL FROM bot_state"), "nothing trades before a reconciliation"
    assert one(server.dsn, "SELECT actor FROM audit_log WHERE action = 'restore'") == "tests"
    locks = "SELECT has_function_privilege('{}', 'pg_advisory_xact_lock(bigint)', 'EXECUTE')"
    assert one(server.dsn, locks.format(BOT))
    assert not one(server.dsn, locks.format(READER)), "a restored database keeps from the reader what it may not"
    kept = next(line for line in said if "is kept as" in line).split()[6]
    assert one(server.cluster.dsn(kept), "SELECT max(id) FROM decision_cycles") == later


def test_an_id_that_may_have_been_sent_is_never_used_again(server, dump):
    before = one(server.dsn, "SELECT max(id) FROM decision_cycles")
    restore(server.dsn, dump, "tests", lambda _: None)
    first = one(server.dsn, OPEN_CYCLE)
    restore(server.dsn, dump, "tests", lambda _: None)
    assert one(server.dsn, OPEN_CYCLE) > first > before + 10**6


def test_the_bot_works_on_what_was_restored_with_its_own_role(server, dump):
    restore(server.dsn, dump, "tests", lambda _: None)
    let_log_in(server.url, BOT, "its password")
    url = server.cluster.url_of(BOT, "its password").replace("+psycopg2", "")
    assert one(url, OPEN_CYCLE) > 0
    assert "COPY public.decision_cycles" in program("pg_dump", url), "the plain pg_dump of the runbook"
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        one(url, "DROP TABLE trades")


@pytest.mark.parametrize("how", ["torn", "changed"])
def test_a_damaged_backup_is_refused_and_nothing_changes(server, dump, tmp_path, how):
    copy, before = copy_of(dump, tmp_path), one(server.dsn, "SELECT max(id) FROM decision_cycles")
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(bytes(content) if how == "changed" else bytes(content[:-100]))
    with pytest.raises(OperatorError, match="is damaged"):
        restore(server.dsn, copy, "tests", lambda _: None)
    assert one(server.dsn, "SELECT max(id) FROM decision_cycles") == before


def test_a_dump_that_breaks_off_while_it_is_restored_leaves_the_database_as_it_was(server, dump, tmp_path):
    copy, before = copy_of(dump, tmp_path), one(server.dsn, "SELECT max(id) FROM decision_cycles")
    described = json.loads(description_of(copy).read_text())
    described["rows"]["fills"] = 99
    description_of(copy).write_text(json.dumps(described))
    with pytest.raises(OperatorError, match="nothing has changed"):
        restore(server.dsn, copy, "tests", lambda _: None)
    assert one(server.dsn, "SELECT max(id) FROM decision_cycles") == before


def test_a_restore_whose_last_step_fails_leaves_the_database_as_it_was(server, dump):
    before = one(server.dsn, "SELECT max(id) FROM decision_cycles")
    with ExitStack() as watching:

        def look_into_the_new_one(said: str) -> None:
            if said.startswith("restored and counted"):
                watching.enter_context(closing(psycopg2.connect(server.cluster.dsn(UNFINISHED))))

        with pytest.raises(OperatorError, match=r"nothing has changed.* accessed by other users"):
            restore(server.dsn, dump, "tests", look_into_the_new_one)
        assert one(server.dsn, "SELECT max(id) FROM decision_cycles") == before


def test_a_foreign_dump_under_the_description_of_ours_is_refused_and_nothing_changes(server, dump, tmp_path):
    before = one(server.dsn, "SELECT max(id) FROM decision_cycles")
    one(server.dsn, "UPDATE accounts SET uid = '8'")
    try:
        foreign, _ = back_up(server.dsn, tmp_path)
    finally:
        one(server.dsn, "UPDATE accounts SET uid = '7'")
    described = json.loads(description_of(foreign).read_text()) | {"uid": "7"}
    description_of(foreign).write_text(json.dumps(described))
    with pytest.raises(OperatorError, match="holds paper account 8, its description says paper account 7; nothing"):
        restore(server.dsn, foreign, "tests", lambda _: None)
    assert one(server.dsn, "SELECT max(id) FROM decision_cycles") == before


def test_a_database_somebody_works_in_is_not_replaced(server, dump):
    with closing(psycopg2.connect(server.dsn, application_name="okxbot-trade")):
        with pytest.raises(OperatorError, match=r"1 connections still use the database \(okxbot-trade\)"):
            restore(server.dsn, dump, "tests", lambda _: None)


def test_another_accounts_backup_is_refused(server, dump, tmp_path):
    copy = copy_of(dump, tmp_path)
    described = json.loads(description_of(copy).read_text()) | {"uid": "8"}
    description_of(copy).write_text(json.dumps(described))
    with pytest.raises(OperatorError, match="belongs to paper account 7, the backup to paper account 8"):
        restore(server.dsn, copy, "tests", lambda _: None)


def test_a_backup_of_a_newer_version_is_refused(server, dump, tmp_path):
    copy = copy_of(dump, tmp_path)
    described = json.loads(description_of(copy).read_text()) | {"schema": "9999"}
    description_of(copy).write_text(json.dumps(described))
    with pytest.raises(OperatorError, match="newer version"):
        restore(server.dsn, copy, "tests", lambda _: None)


def test_the_newest_are_kept_and_other_accounts_are_not_touched(tmp_path):
    names = [f"okxbot-paper-7-2026010{day}T000000Z.dump" for day in range(1, 6)]
    for name in [*names, "okxbot-paper-8-20250101T000000Z.dump"]:
        (tmp_path / name).touch()
        description_of(tmp_path / name).touch()
    removed = rotate(tmp_path / names[-1], 2)
    assert [path.name for path in removed] == names[:3]
    assert sorted(path.name for path in tmp_path.glob("*.dump")) == [*names[3:], "okxbot-paper-8-20250101T000000Z.dump"]
    assert not description_of(tmp_path / names[0]).exists()


def test_files_are_their_owners_alone_and_hold_no_password(server, dump):
    for path in (dump, description_of(dump)):
        assert path.stat().st_mode & 0o077 == 0
        assert server.cluster.password.encode() not in path.read_bytes()
