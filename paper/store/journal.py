"""Durability: a write-ahead journal of commands and market steps, and snapshots that shorten its replay.

Every command is written before it is applied and acknowledged: handed to the operating system, so that it
survives `kill -9` of this process, though not the machine's own end. The engine is deterministic: the snapshot
plus the records after it give the same state again, including refused commands, which use up identifiers. A torn
last line is a command never acknowledged and is dropped. A failed write raises OSError before anything has changed.
"""

import errno
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from paper.errors import StartRefused

FORMAT = 2
# After how many records a snapshot is due, or how many bytes of the last one stand for a record when it is large.
SNAPSHOT_RECORDS = 10_000
BYTES_PER_RECORD = 500


@dataclass(frozen=True)
class Snapshot:
    """The exchange's state after record number `sequence`."""

    sequence: int
    played: int
    state: Any
    timers: dict[str, int]


class Journal:
    """One data folder's journal. Only one process may hold it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self._snapshot_path = folder / "snapshot.pickle"
        self.sequence = 0
        self.since_snapshot = 0
        self._snapshot_bytes = 0
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def load(self) -> Snapshot | None:
        """The last snapshot, if there is one. Raises StartRefused when it cannot be read."""
        try:
            raw = self._snapshot_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            form, snapshot = pickle.loads(raw)
        except (pickle.UnpicklingError, AttributeError, EOFError, ImportError, TypeError, ValueError) as fault:
            raise StartRefused(f"{self._snapshot_path}: unreadable ({type(fault).__name__}); move it away") from None
        if form != FORMAT or not isinstance(snapshot, Snapshot):
            raise StartRefused(f"{self._snapshot_path}: written by another version; move the data folder away")
        self.sequence = snapshot.sequence
        self._snapshot_bytes = len(raw)
        return snapshot

    @property
    def snapshot_due(self) -> bool:
        """Whether enough has been written that a snapshot pays.

        It stops the exchange while it is written, which takes longer the more there is in it: a large one is made less
        often, so that what it costs in all stays in proportion to what a restart saves.
        """
        return self.since_snapshot >= max(SNAPSHOT_RECORDS, self._snapshot_bytes // BYTES_PER_RECORD)

    def records(self) -> Iterator[dict[str, Any]]:
        """Records after the snapshot, oldest first."""
        raw = self._path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) != len(raw):
            os.ftruncate(self._file, len(whole))
        for line in whole.splitlines():
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

    def snapshot(self, played: int, state: Any, timers: dict[str, int]) -> None:
        """Replace the snapshot by the present state and start the journal anew."""
        temporary = self._snapshot_path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            pickle.dump((FORMAT, Snapshot(self.sequence, played, state, timers)), out, protocol=5)
            self._snapshot_bytes = out.tell()
        temporary.replace(self._snapshot_path)
        os.ftruncate(self._file, 0)
        self.since_snapshot = 0

    def close(self) -> None:
        os.close(self._file)
