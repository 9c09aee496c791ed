"""Backups of the bot's database: one file each, whole, checked, and described by a second file beside it.

Contract: `back_up` writes `okxbot-MODE-UID-TIME.dump` (PostgreSQL's custom format, for `pg_restore`) and
`….dump.json`: its SHA-256, the schema, the account, and the row counts of the very snapshot that was dumped, the bot
running or not. A dump appears under its name only when it is complete and readable. `rotate` keeps the newest of an
account. `read_description` refuses a file that is not what its description says. The dump holds everything the bot
knows and no password; what the exchange holds is the exchange's. Failure: `OperatorError`. Times are UTC.
"""

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ, parse_dsn
from psycopg2.extensions import connection as Connection

from runtime.errors import OperatorError, file_trouble
from runtime.postgres_binaries import postgres_programs
from runtime.unprivileged import unprivileged_user
from trading.clock import wall_now

KEPT = 14
# What a restore must bring back to the row.
COUNTED = ("decision_cycles", "orders", "order_events", "fills", "trades", "bills", "positions", "audit_log")


@dataclass(frozen=True)
class Description:
    """`rows` per table, as of the dump's own snapshot."""

    taken_at: str
    mode: str
    uid: str
    schema: str
    postgres: str
    size: int
    sha256: str
    rows: dict[str, int]


def back_up(dsn: str, folder: Path) -> tuple[Path, Description]:
    """`dsn` of the database's owner, as libpq reads it. Makes `folder`, for its owner's eyes only."""
    with file_trouble("write the backup to", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection = psycopg2.connect(dsn, connect_timeout=5, application_name="backup")
    except psycopg2.OperationalError as trouble:
        raise OperatorError(f"PostgreSQL does not answer: {_first_line(trouble)}") from None
    try:
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        return _dump(connection, dsn, folder)
    except psycopg2.Error as trouble:
        raise OperatorError(f"the backup failed: {_first_line(trouble)}") from None
    finally:
        connection.close()


def _dump(connection: Connection, dsn: str, folder: Path) -> tuple[Path, Description]:
    with connection.cursor() as cursor:
        # Held open while pg_dump runs: it sees this very snapshot, and so do the counts.
        cursor.execute(
            "SELECT pg_export_snapshot(), version_num, current_setting('server_version') FROM alembic_version"
        )
        snapshot, schema, server = cursor.fetchone() or ("", "", "")
        cursor.execute("SELECT mode, uid FROM accounts")
        account = cursor.fetchone()
        if account is None:
            raise OperatorError("the database is bound to no account yet: there is nothing to back up")
        rows = count_rows(connection)
    now = wall_now()
    path = folder / f"okxbot-{account[0]}-{account[1]}-{now:%Y%m%dT%H%M%SZ}.dump"
    unfinished = path.with_suffix(".partial")
    with file_trouble("write the backup to", path):
        try:
            os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            program("pg_dump", dsn, "--format=custom", f"--snapshot={snapshot}", f"--file={unfinished}")
            program("pg_restore", None, "--list", str(unfinished))
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
            size = unfinished.stat().st_size
            description = Description(
                now.isoformat(timespec="seconds"),
                account[0],
                account[1],
                schema,
                server,
                size,
                sha256(unfinished),
                rows,
            )
            beside = description_of(path)
            beside.write_text(json.dumps(asdict(description), indent=2) + "\n")
            beside.chmod(0o600)
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path, description


def count_rows(connection: Connection) -> dict[str, int]:
    """Rows of the tables that must come back whole."""
    rows = {}
    with connection.cursor() as cursor:
        for table in COUNTED:
            cursor.execute(f"SELECT count(*) FROM {table}")
            rows[table] = int((cursor.fetchone() or (0,))[0])
    return rows


def rotate(newest: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups of the account of `newest`; what was removed."""
    account = newest.name.rpartition("-")[0]
    old = sorted(newest.parent.glob(f"{account}-*.dump"))[:-keep]
    with file_trouble("remove old backups in", newest.parent):
        for path in old:
            path.unlink()
            description_of(path).unlink(missing_ok=True)
    return old


def description_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def read_description(path: Path) -> Description:
    """What the file beside a dump says of it, once the dump has been found to be just that."""
    if not path.is_file():
        raise OperatorError(f"there is no backup {path}")
    beside = description_of(path)
    try:
        description = Description(**json.loads(beside.read_text()))
    except FileNotFoundError:
        raise OperatorError(f"{beside} is missing: without it {path.name} cannot be checked") from None
    except (OSError, ValueError, TypeError):
        raise OperatorError(f"{beside} is damaged: {path.name} cannot be checked") from None
    if path.stat().st_size != description.size or sha256(path) != description.sha256:
        raise OperatorError(f"{path} is damaged: it is not the file whose checksum is in {beside.name}")
    return description


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def program(name: str, dsn: str | None, *arguments: str) -> str:
    """Run one of PostgreSQL's programs on a database; its output. The password goes by the environment."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    if dsn is not None:
        parts = parse_dsn(dsn)
        environment |= {"PGPASSWORD": parts.pop("password", ""), "PGCONNECT_TIMEOUT": "5"}
        arguments = ("--no-password", "--dbname=" + " ".join(f"{k}='{v}'" for k, v in parts.items()), *arguments)
    executable = postgres_programs(unprivileged_user()) / name
    answer = subprocess.run([executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise OperatorError(f"{name} failed: {_first_line(answer.stderr)}")
    return answer.stdout


def _first_line(trouble: object) -> str:
    return (str(trouble).strip().splitlines() or ["it said nothing"])[0]
