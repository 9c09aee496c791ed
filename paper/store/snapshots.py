"""Snapshots of the exchange's state, which shorten the replay of its journal.

A small state is written at once. A large one is written by a forked copy of the process, which holds the state as it
was and ends without ever trading: the exchange waits for the fork only, a few milliseconds. A snapshot counts once it
lies under its name, which the exchange itself gives it; what a killed exchange's copy leaves behind is swept away at
the next start.
"""

import contextlib
import gc
import os
import pickle
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import structlog

from paper.errors import StartRefused

logger = structlog.get_logger()
FORMAT = 2


@dataclass(frozen=True)
class Snapshot:
    """The exchange's state after record number `sequence`."""

    sequence: int
    played: int
    state: Any
    timers: dict[str, int]


@dataclass(frozen=True)
class _Copy:
    """A forked process at work, the file it writes, and the record its snapshot reaches."""

    pid: int
    file: Path
    sequence: int


class Snapshots:
    """The one snapshot of a data folder. `size` is that of the last one, in bytes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "snapshot.pickle"
        self._copy: _Copy | None = None
        self.size = 0
        for leftover in folder.glob("snapshot.*.new"):
            leftover.unlink()

    def load(self) -> Snapshot | None:
        """The last snapshot, if there is one. Raises StartRefused when it cannot be read."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            form, snapshot = pickle.loads(raw)
        except (pickle.UnpicklingError, AttributeError, EOFError, ImportError, TypeError, ValueError) as fault:
            raise StartRefused(f"{self._path}: unreadable ({type(fault).__name__}); move it away") from None
        if form != FORMAT or not isinstance(snapshot, Snapshot):
            raise StartRefused(f"{self._path}: written by another version; move the data folder away")
        self.size = len(raw)
        return snapshot

    @property
    def busy(self) -> bool:
        """Whether a copy is still writing."""
        return self._copy is not None

    def write(self, snapshot: Snapshot) -> None:
        """Write and wait. A copy at work is given up. Raises OSError."""
        self.stop()
        file = self._new(os.getpid())
        _dump(snapshot, file)
        self._adopt(file)

    def begin(self, snapshot: Snapshot) -> None:
        """Let a forked copy write; `finished` tells when it has. Raises OSError when there is no room for one."""
        pid = os.fork()
        if pid == 0:
            _be_the_copy(snapshot, self._new(os.getpid()))
        self._copy = _Copy(pid, self._new(pid), snapshot.sequence)

    def finished(self) -> int | None:
        """The record that the snapshot of a copy reaches, once it has been written; None before and otherwise."""
        if self._copy is None:
            return None
        pid, status = os.waitpid(self._copy.pid, os.WNOHANG)
        if pid == 0:
            return None
        copy, self._copy = self._copy, None
        if status != 0:
            copy.file.unlink(missing_ok=True)
            logger.error("snapshot_failed", status=os.waitstatus_to_exitcode(status))
            return None
        self._adopt(copy.file)
        return copy.sequence

    def stop(self) -> None:
        """End a copy at work."""
        if self._copy is None:
            return
        os.kill(self._copy.pid, signal.SIGKILL)
        os.waitpid(self._copy.pid, 0)
        self._copy.file.unlink(missing_ok=True)
        self._copy = None

    def _new(self, pid: int) -> Path:
        return self._path.with_name(f"snapshot.{pid}.new")

    def _adopt(self, file: Path) -> None:
        self.size = file.stat().st_size
        file.replace(self._path)


def _dump(snapshot: Snapshot, file: Path) -> None:
    collecting = gc.isenabled()
    gc.disable()  # it would look through everything written so far, again and again
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            pickle.dump((FORMAT, snapshot), out, protocol=5)
    finally:
        if collecting:
            gc.enable()


def _be_the_copy(snapshot: Snapshot, file: Path) -> NoReturn:
    """Write and end. The exchange's lock, ports and connections are let go first: they must end with the exchange."""
    status = 1
    with contextlib.suppress(BaseException):  # nobody is there to hear; the exchange sees the exit status
        os.nice(10)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        _dump(snapshot, file)
        status = 0
    os._exit(status)
