"""The home folder of one bot: everything a running bot keeps.

    .env              the operator's settings (optional)
    secrets.json      generated passwords, readable by the owner only
    ports.json        ports chosen at an earlier start
    postgres/ redis/ exchange/   data of the embedded servers and of the paper exchange
    logs/NAME.log     one log per service, rotated
    run/              what exists only while the bot runs: locks, sockets, readiness files

Contract: `Home.prepare()` makes what is missing, mode 0700; a second bot on the same home is refused by a lock that
the operating system releases when its holder dies, however it dies. Failure: `OperatorError`, one line.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from runtime.errors import OperatorError, file_trouble

LEAST_FREE_MB = 200
# A home made by any version has these; the others are added where they are missing.
_FIRST_SECRETS = ("postgres_password", "redis_password", "flower_password")
# sockaddr_un holds 108 bytes on Linux and 104 on macOS; supervisor adds a suffix of its own while binding.
_LONGEST_SOCKET_PATH = 85


@dataclass(frozen=True)
class Secrets:
    """Generated once per home. `repr` shows no value."""

    postgres_password: str  # owns the database: migrations, backup, restore
    redis_password: str  # the operator's
    flower_password: str
    bot_database_password: str
    bot_redis_password: str
    flower_redis_password: str

    def __repr__(self) -> str:
        return "Secrets(…)"


# Among containers nothing is generated here: every password comes from a file.
NO_SECRETS = Secrets("", "", "", "", "", "")


@dataclass(frozen=True)
class RunningBot:
    """Who runs the bot of a home, as written by `okxbot up`."""

    pid: int
    born: float  # when that process began: its number may be another's after a crash
    since: str
    detached: bool
    urls: dict[str, str]
    settings: dict[str, str]  # what it was given, without secrets

    @property
    def lives(self) -> bool:
        try:
            # The clock may have been set meanwhile; numbers are not used again within a minute.
            return bool(abs(psutil.Process(self.pid).create_time() - self.born) < 60)
        except psutil.NoSuchProcess:
            return False


def private_folder() -> Path:
    """A short-named folder of this user alone, for sockets and what several homes must agree on."""
    folder = Path("/tmp") / f"okxbot-{os.getuid()}"
    with file_trouble("create", folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    # In a world-writable place somebody else may have put it there first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OperatorError(f"{folder} is not a folder of this user alone; remove it")
    return folder


class Lock:
    """An exclusive lock on a file, held until released or until the process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it if it is free, without waiting."""
        with file_trouble("lock", self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor = descriptor
        except BlockingIOError:
            return False
        finally:
            if self._descriptor != descriptor:
                os.close(descriptor)
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """Whether somebody, another process too, holds it now."""
        if self._descriptor is not None:
            return True
        taken = self.take()
        self.release()
        return not taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def redis(self) -> Path:
        return self.folder / "redis"

    @property
    def exchange(self) -> Path:
        return self.folder / "exchange"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def counters(self) -> Path:
        """What each process counts about its own work (`runtime.counting`); anew with every start."""
        return self.run / "counters"

    @property
    def account_file(self) -> Path:
        """Key of the paper account, written by the paper exchange."""
        return self.exchange / "account.json"

    @property
    def up_lock(self) -> Lock:
        """Held by `okxbot up` or `okxbot down` while it works."""
        return Lock(self.run / "up.lock")

    @property
    def supervisor_lock(self) -> Lock:
        """Held by the supervisor as long as it lives."""
        return Lock(self.run / "supervisor.lock")

    @property
    def socket(self) -> Path:
        """The supervisor's socket. A long home path does not fit into a socket address: then a short one."""
        path = self.run / "supervisor.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return private_folder() / f"{digest}.sock"

    def ready_file(self, service: str) -> Path:
        return self.run / f"{service}.ready"

    def prepare(self) -> None:
        with file_trouble("use the home folder", self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.folder.stat().st_uid == os.getuid():
                self.folder.chmod(0o700)
            for part in (self.logs, self.run, self.exchange):
                part.mkdir(mode=0o700, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.run) as probe:
                probe.write(b"\0" * 65536)
                probe.flush()
        free = self.free_mb()
        if free < LEAST_FREE_MB:
            raise OperatorError(
                f"only {free} MB are free on the disk of {self.folder}, {LEAST_FREE_MB} MB are needed; "
                "free some space, or choose another folder with OKXBOT_HOME"
            )

    def free_mb(self) -> int:
        """Space left on the disk of this home, or of where it will be made."""
        place = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        return shutil.disk_usage(place).free // 2**20

    def secrets(self) -> Secrets:
        """The generated passwords; made at the first call."""
        path = self.folder / "secrets.json"
        names = list(Secrets.__dataclass_fields__)
        found: dict[str, Any] = {}
        if path.exists():
            found = self._read_json(path)
            of_strings = all(isinstance(value, str) and value for value in found.values())
            if not of_strings or not set(_FIRST_SECRETS) <= set(found) <= set(names):
                raise OperatorError(f"{path} is damaged; restore it from a backup (the database knows its passwords)")
        if missing := {name: secrets.token_urlsafe(24) for name in names if name not in found}:
            found |= missing
            self.write_private(path, json.dumps(found))
        return Secrets(**found)

    def remembered_ports(self) -> dict[str, int]:
        path = self.folder / "ports.json"
        if not path.exists():
            return {}
        return {name: port for name, port in self._read_json(path).items() if isinstance(port, int)}

    def remember_ports(self, ports: dict[str, int]) -> None:
        self.write_private(self.folder / "ports.json", json.dumps(ports))

    def running_bot(self) -> RunningBot | None:
        """Who runs this home's bot; None where nobody does, or who did was killed."""
        path = self.run / "bot.json"
        if not path.exists():
            return None
        try:
            bot = RunningBot(**self._read_json(path))
        except TypeError:
            return None
        return bot if bot.lives else None

    def write_running_bot(self, bot: RunningBot) -> None:
        self.write_private(self.run / "bot.json", json.dumps(asdict(bot)))

    def write_private(self, path: Path, text: str) -> None:
        """Write whole or not at all, readable by the owner only."""
        with file_trouble("write", path):
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            finally:
                # Gone already if it has taken its place; never left behind if it has not.
                Path(name).unlink(missing_ok=True)

    def _read_json(self, path: Path) -> dict[str, Any]:
        with file_trouble("read", path):
            text = path.read_text()
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise OperatorError(f"{path} is damaged: it should hold a JSON object; restore or remove it")
        return found
