"""A backup brought back: beside the present database first, in its place only when it is whole.

Contract: `restore(dsn, path, say)` refuses a damaged file, a database in which a bot still works, one of another
account, and a dump of a newer schema; then restores into a database of another name, compares the row counts, and
swaps the names. What was there stays under `trading_bot_before_TIME` until its owner drops it. A restore that fails, at
whatever point, leaves the present database as it was.

The bot that starts on it trades only after a reconciliation, like after every start. Ids of new decisions jump ahead:
orders sent after the backup was taken used the next ones, and an id is never used twice.
Failure: `OperatorError`. Times are UTC.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
from alembic.script import ScriptDirectory
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn

from runtime.backup import Description, count_rows, program, read_description
from runtime.errors import OperatorError
from runtime.migrate import SCRIPTS
from runtime.postgres import DATABASE
from runtime.roles import BOT, MAKE, READER
from trading.clock import wall_now

UNFINISHED = f"{DATABASE}_restoring"
Say = Callable[[str], None]

# Tenths of a second since 2020: ahead of any id a bot can have counted to, and later with every restore.
_JUMP = """
SELECT setval(pg_get_serial_sequence('decision_cycles', 'id'),
    greatest((SELECT coalesce(max(id), 0) + 1 FROM decision_cycles),
             (extract(epoch FROM clock_timestamp() - timestamptz '2020-01-01 00:00 UTC') * 10)::bigint))
"""
_NO_ENTRIES_YET = "UPDATE bot_state SET reconciled_at = NULL, unsettled_at = clock_timestamp()"
_AUDIT = """
INSERT INTO audit_log (account_id, actor, channel, action, detail)
SELECT id, %s, 'cli', 'restore', jsonb_build_object('backup', %s::text, 'taken_at', %s::text) FROM accounts
"""


def restore(dsn: str, path: Path, actor: str, say: Say) -> Description:
    """`dsn` of the database's owner, as libpq reads it; the server must run."""
    description = read_description(path)
    say(f"{path.name} is whole: {description.mode} account {description.uid}, taken {description.taken_at}")
    known = {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
    if description.schema not in known:
        raise OperatorError(f"{path.name} is of a newer version of the bot (schema {description.schema}); update first")
    try:
        with closing(_connect(dsn, "postgres")) as server:
            server.autocommit = True
            _refuse_in_use(server)
            _refuse_other_account(dsn, server, description)
            _execute(server, f'DROP DATABASE IF EXISTS "{UNFINISHED}"')
            for role in (BOT, READER):
                _execute(server, MAKE.format(role=role))
            _execute(server, f'CREATE DATABASE "{UNFINISHED}" TEMPLATE template0')
            _fill(dsn, path, description, actor, say)
            _swap(server, say)
    except psycopg2.Error as trouble:
        raise OperatorError(
            f"the restore failed, nothing has changed: {str(trouble).strip().splitlines()[0]}"
        ) from None
    return description


def _connect(dsn: str, database: str) -> Connection:
    return psycopg2.connect(make_dsn(dsn, dbname=database, connect_timeout=5, application_name="restore"))


def _refuse_in_use(server: Connection) -> None:
    found = _row(
        server,
        "SELECT count(*), min(application_name) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        DATABASE,
    )
    if found and found[0]:
        raise OperatorError(
            f"{found[0]} connections still use the database ({found[1] or 'some program'}): stop the bot and whatever "
            "looks into its database, then restore"
        )


def _refuse_other_account(dsn: str, server: Connection, description: Description) -> None:
    if not _row(server, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
        return
    with closing(_connect(dsn, DATABASE)) as present:
        if not (_row(present, "SELECT to_regclass('accounts')") or (None,))[0]:
            return
        account = _row(present, "SELECT mode, uid FROM accounts")
    if account and account != (description.mode, description.uid):
        raise OperatorError(
            f"the database belongs to {account[0]} account {account[1]}, the backup to {description.mode} account "
            f"{description.uid}: use the home of that account"
        )


def _fill(dsn: str, path: Path, description: Description, actor: str, say: Say) -> None:
    program("pg_restore", make_dsn(dsn, dbname=UNFINISHED), "--exit-on-error", "--single-transaction", "--no-owner",
            str(path))  # fmt: skip
    with closing(_connect(dsn, UNFINISHED)) as connection:
        # The description could be another backup's, or edited: what the dump itself holds decides.
        account = _row(connection, "SELECT mode, uid FROM accounts") or ("no", "account")
        if account != (description.mode, description.uid):
            raise OperatorError(
                f"{path.name} holds {account[0]} account {account[1]}, its description says {description.mode} account "
                f"{description.uid}; nothing has changed"
            )
        found = count_rows(connection)
        if found != description.rows:
            raise OperatorError(
                f"the restored rows are {found}, the backup had {description.rows}; nothing has changed"
            )
        say("restored and counted: " + ", ".join(f"{count} {table}" for table, count in found.items()))
        _execute(connection, _JUMP)
        _execute(connection, _NO_ENTRIES_YET)
        _execute(connection, _AUDIT, actor, path.name, description.taken_at)
        connection.commit()


def _swap(server: Connection, say: Say) -> None:
    """Both names change in one transaction: whatever stops it, a database of that name is there."""
    kept = f"{DATABASE}_before_{wall_now():%Y%m%dt%H%M%S_%f}"
    replaced = _row(server, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE)
    server.autocommit = False
    if replaced:
        _execute(server, f'ALTER DATABASE "{DATABASE}" RENAME TO "{kept}"')
    _execute(server, f'ALTER DATABASE "{UNFINISHED}" RENAME TO "{DATABASE}"')
    server.commit()
    if replaced:
        say(f'what was there is kept as {kept} (DROP DATABASE "{kept}" when it is not needed)')


def _execute(connection: Connection, statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def _row(connection: Connection, query: str, *values: object) -> tuple[object, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        row: tuple[object, ...] | None = cursor.fetchone()
        return row
