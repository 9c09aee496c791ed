"""The embedded PostgreSQL: a cluster on disk and, for tests and benchmarks, a running server.

Contract: `Cluster(folder, password, port)` is the cluster of one home. `prepare()` creates it if it is not there;
`argv()` starts its server in the foreground, on loopback only, passwords by SCRAM, no Unix socket.
`wait_until_ready()` and `ensure_database()` talk to the running server. Started by root, all of it belongs to
`nobody`, and lies in a folder that user may enter, with a symbolic link at `folder`.
Failure: `OperatorError`, with the last lines the server wrote. Times are wall seconds.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from runtime.errors import OperatorError, file_trouble
from runtime.orphans import PREFIX, note_of, remove_database
from runtime.ports import free_port
from runtime.postgres_binaries import postgres_programs
from runtime.server_process import ServerProcess
from runtime.unprivileged import (
    SystemUser,
    give_to,
    others_may_enter,
    shared_state_folder,
    spawn_options,
    unprivileged_user,
)

ROLE = "okxbot"
DATABASE = "trading_bot"
HOST = "127.0.0.1"

# A small machine shared with fifteen processes: little memory, many connections, never less than durable.
SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "wal_level": "replica",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "idle_in_transaction_session_timeout": "120s",
    "io_method": "sync",
    "max_wal_senders": "0",
    "max_parallel_workers": "0",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
}
# Tests may lose their data with the machine.
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Cluster:
    """One PostgreSQL data folder and how its server is run."""

    def __init__(self, folder: Path, password: str, port: int, extra: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.password = password
        self.port = port
        self.user: SystemUser | None = unprivileged_user()
        self._settings = SERVER_SETTINGS | (extra or {})

    @property
    def programs(self) -> Path:
        return postgres_programs(self.user)

    @property
    def data(self) -> Path:
        return self.folder.resolve() / "data"

    def dsn(self, database: str = DATABASE) -> str:
        """The owner's connection URL as libpq and psql read it. Holds the password: never log it."""
        return f"postgresql://{ROLE}:{self.password}@{HOST}:{self.port}/{database}"

    def url_of(self, role: str, password: str) -> str:
        """Another role's connection URL as SQLAlchemy reads it. Holds the password: never log it."""
        return f"postgresql+psycopg2://{role}:{password}@{HOST}:{self.port}/{DATABASE}"

    def url(self, database: str = DATABASE) -> str:
        """The owner's connection URL as SQLAlchemy reads it. Holds the password: never log it."""
        return self.dsn(database).replace("postgresql://", "postgresql+psycopg2://", 1)

    @property
    def exists(self) -> bool:
        """Whether the cluster was created."""
        return (self.data / "PG_VERSION").exists()

    def prepare(self) -> bool:
        """Create the cluster unless it exists; True if it was created."""
        if self.exists:
            self._write_note()
            self._refuse_other_version()
            return False
        with file_trouble("create the database folder", self.folder):
            self._make_folder()
            # initdb leaves nothing behind when it fails, but may itself have been killed.
            shutil.rmtree(self.data, ignore_errors=True)
            secret = self.folder.resolve() / "initial-password"
            descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(self.password)
            give_to(self.user, secret)
        try:
            self._initdb(secret)
        finally:
            secret.unlink(missing_ok=True)
        return True

    def _make_folder(self) -> None:
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user is None or others_may_enter(self.folder.parent):
            self.folder.mkdir(mode=0o700, exist_ok=True)
        elif not self.folder.is_symlink() or not self.folder.exists():
            # A name of its own for each creation: a home that was deleted and made again must not meet the
            # database, and the password, of its predecessor.
            elsewhere = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared_state_folder()))
            self.folder.unlink(missing_ok=True)
            self.folder.symlink_to(elsewhere)
            self._write_note()
        give_to(self.user, self.folder)

    def _write_note(self) -> None:
        """Where the data lie outside the home: say beside them whose they are."""
        if self.folder.is_symlink() and (place := self.folder.resolve()).name.startswith(PREFIX):
            note_of(place).write_text(str(self.folder.absolute()))

    def _refuse_other_version(self) -> None:
        theirs = (self.data / "PG_VERSION").read_text().strip()
        answer = subprocess.run(
            [self.programs / "postgres", "--version"],
            capture_output=True, text=True, check=True, timeout=30, **spawn_options(self.user),
        )  # fmt: skip
        ours = answer.stdout.split()[-1].split(".")[0]
        if theirs != ours:
            raise OperatorError(
                f"the database in {self.folder} is of PostgreSQL {theirs}, this installation has {ours}; "
                f"use the version of the bot that made it, or move it with pg_dump"
            )

    def _initdb(self, secret: Path) -> None:
        # Made beside its place and renamed when whole: an interrupted first start leaves nothing that looks finished.
        unfinished = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [
            str(self.programs / "initdb"), "-D", str(unfinished), "-U", ROLE, "-A", "scram-sha-256",
            "--pwfile", str(secret), "--locale=C.UTF-8", "--encoding=UTF8",
        ]  # fmt: skip
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, **spawn_options(self.user))
        if answer.returncode != 0:
            last = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
            raise OperatorError(f"PostgreSQL could not create its cluster in {self.data}: {last[-1] if last else ''}")
        unfinished.rename(self.data)

    def argv(self) -> list[str]:
        """The server in the foreground. Nothing secret in it. SIGINT stops it fast and cleanly."""
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-c", f"port={self.port}"]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def server_process(self, log: Path) -> ServerProcess:
        """The server as a child of this process, started with `argv()`."""
        return ServerProcess(log, self.wait_until_ready, signal.SIGINT, spawn_options(self.user))

    def wait_until_ready(self, timeout: float = 60, give_up: Callable[[], None] = lambda: None) -> None:
        """Return once the server accepts our role; OperatorError after `timeout` seconds, or what `give_up` raises."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                psycopg2.connect(self.dsn("postgres"), connect_timeout=5).close()
                return
            except psycopg2.OperationalError as trouble:
                reason = str(trouble).strip().splitlines()[-1]
                if "password authentication failed" in reason:
                    raise OperatorError(
                        f"the PostgreSQL on port {self.port} is not the one of this home; set POSTGRES_PORT"
                    ) from None
                if time.monotonic() > deadline:
                    raise OperatorError(f"PostgreSQL did not get ready within {timeout:.0f} s: {reason}") from None
            give_up()
            time.sleep(0.03)

    def ensure_database(self, database: str = DATABASE) -> None:
        """Create the database unless it exists."""
        connection = psycopg2.connect(self.dsn("postgres"), connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{database}"')
        finally:
            connection.close()


class EmbeddedPostgres:
    """A throw-away PostgreSQL on a free port, for tests and benchmarks: `with EmbeddedPostgres(folder) as pg`.

    `pg.url` is for SQLAlchemy, `pg.dsn` for libpq. `durable=False` trades safety against a crash for speed.
    What had to be put outside `folder` is removed at the end.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.cluster = Cluster(
            folder / "postgres", secrets.token_urlsafe(16), free_port(), None if durable else UNSAFE_AND_FAST
        )
        self._process = self.cluster.server_process(folder / "postgres.log")

    @property
    def url(self) -> str:
        return self.cluster.url()

    @property
    def dsn(self) -> str:
        return self.cluster.dsn()

    def start(self) -> None:
        self.cluster.prepare()
        self._process.start(self.cluster.argv())
        self.cluster.ensure_database()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        self._process.stop(how)

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        remove_database(self.cluster.folder)
