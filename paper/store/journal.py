"""Durability: a write-ahead journal of commands and market steps, cut short by snapshots.

Every command is written before it is applied and acknowledged: handed to the operating system, so that it
survives `kill -9` of this process, though not the machine's own end. The engine is deterministic: the snapshot
plus the records after it give the same state again, including refused commands, which use up identifiers. A torn
last line is a command never acknowledged and is dropped. A failed write raises OSError before anything has changed.

While a large snapshot is being written, what it will cover lies beside the journal, named after its last record.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from paper.store.snapshots import Snapshot, Snapshots

# After how many records a snapshot is due, or how many bytes of the last one stand for a record when it is large.
SNAPSHOT_RECORDS = 10_000
BYTES_PER_RECORD = 500
# A state of about this many bytes is written as fast as a process is forked.
SMALL = 250_000


class Journal:
    """One data folder's journal and snapshot. Only one process may hold it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "journal.jsonl"
        self._snapshots = Snapshots(folder)
        self.sequence = 0
        self.since_snapshot = 0
        self._file = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def load(self) -> Snapshot | None:
        """The last snapshot, if there is one. Raises StartRefused when it cannot be read."""
        snapshot = self._snapshots.load()
        if snapshot is not None:
            self.sequence = snapshot.sequence
        return snapshot

    @property
    def covered(self) -> bool:
        """Whether the snapshot holds everything."""
        return not (self.since_snapshot or self._snapshots.busy)

    @property
    def snapshot_due(self) -> bool:
        """Whether enough has been written that a snapshot pays.

        It costs the machine more the more there is in it: a large one is made less often, so that what it costs in all
        stays in proportion to what a restart saves.
        """
        records = max(SNAPSHOT_RECORDS, self._snapshots.size // BYTES_PER_RECORD)
        return not self._snapshots.busy and self.since_snapshot >= records

    def records(self) -> Iterator[dict[str, Any]]:
        """Records after the snapshot, oldest first."""
        raw = self._path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) != len(raw):
            os.ftruncate(self._file, len(whole))
        for lines in (*(path.read_bytes() for path in self._turned()), whole):
            for line in lines.splitlines():
                record = orjson.loads(line)
                if record["q"] > self.sequence:
                    self.sequence = record["q"]
                    self.since_snapshot += 1
                    yield record

    def append(self, record: dict[str, Any]) -> None:
        """Write one record. Raises OSError and keeps the sequence when that fails."""
        line = orjson.dumps({"q": self.sequence + 1, **record}, default=str) + b"\n"
        written = os.write(self._file, line)
        if written != len(line):
            # The next record must not be glued to half of this one.
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, "journal record written in part")
        self.sequence += 1
        self.since_snapshot += 1

    def snapshot(self, played: int, state: Any, timers: dict[str, int], wait: bool = False) -> None:
        """Replace the snapshot by the present state: at once when it is small or `wait` is set, else beside the work.

        Raises OSError; nothing is lost then.
        """
        snapshot = Snapshot(self.sequence, played, state, timers)
        if wait or self._snapshots.size + self.since_snapshot * BYTES_PER_RECORD < SMALL:
            self._snapshots.write(snapshot)
            os.ftruncate(self._file, 0)
            self._forget(self.sequence)
        elif not self._snapshots.busy:
            self._snapshots.begin(snapshot)
            self._turn()
        self.since_snapshot = 0

    def settle(self) -> None:
        """Drop what a snapshot written beside the work covers, once it is whole. To be called now and then."""
        reached = self._snapshots.finished()
        if reached is not None:
            self._forget(reached)

    def _turn(self) -> None:
        if os.fstat(self._file).st_size == 0:  # turned already, for a snapshot that failed
            return
        self._path.replace(self._folder / f"journal-{self.sequence:015d}.jsonl")
        os.close(self._file)
        self._file = self._open()

    def _turned(self) -> list[Path]:
        return sorted(self._folder.glob("journal-*.jsonl"))

    def _forget(self, reached: int) -> None:
        for path in self._turned():
            if int(path.stem.partition("-")[2]) <= reached:
                path.unlink()

    def close(self) -> None:
        self._snapshots.stop()
        os.close(self._file)
