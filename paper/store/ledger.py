"""The ledger: what the exchange was asked, by whom, what it answered and did; with wall time in µs.

Kinds: `request` (anything that may change something, with its raw body and outcome), `bar_close` (a decision bar of
the market), `fault` (a request that a fault kept from being carried out; a strike of a socket or push), `read`
(everything else that was asked, sockets' logins and subscriptions too) and `refused` (requests nobody is known to have
signed).

Numbered in one sequence, kept as JSON lines in the data folder: `ledger.jsonl`, and `reads.jsonl` for `read` and
`refused`, so that polling never pushes orders out. A full file is renamed to `…-<last number>.jsonl`; the oldest go
when there are too many. Requests and faults are with the operating system before the answer leaves and survive
`kill -9`; the rest is at most a flush (a quarter of a second) behind. The newest entries are also in memory.
"""

import heapq
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

Entry = dict[str, Any]
KINDS = ("request", "bar_close", "fault", "read", "refused")
KEPT = 20000
AT_ONCE = ("request", "fault")


@dataclass(frozen=True)
class Bounds:
    """Size of one file in bytes, and how many full ones are kept beside the one being written."""

    size: int
    files: int


LEDGER = Bounds(64 * 2**20, 16)
READS = Bounds(32 * 2**20, 4)


class Stream:
    """A JSON-lines file that is renamed when full."""

    def __init__(self, folder: Path, name: str, bounds: Bounds) -> None:
        self._folder, self._name, self._bounds = folder, name, bounds
        self._path = folder / f"{name}.jsonl"
        self._file = self._open()
        self._size = self._path.stat().st_size

    def _open(self) -> BinaryIO:
        file = self._path.open("a+b")
        os.chmod(self._path, 0o600)
        # A line torn by a kill was never acknowledged; the next one must not be glued to it.
        end = file.seek(0, os.SEEK_END)
        back = min(end, 2**22)
        file.seek(end - back)
        whole = end - back + file.read(back).rfind(b"\n") + 1
        if whole != end:
            file.truncate(whole)
        file.seek(0, os.SEEK_END)
        return file

    def write(self, line: bytes, at_once: bool) -> None:
        self._file.write(line)
        self._size += len(line)
        if at_once:
            self._file.flush()

    def full(self) -> bool:
        return self._size >= self._bounds.size

    def turn(self, last: int) -> None:
        """Rename the file after its last entry's number, start a new one, forget the oldest."""
        self._file.close()
        self._path.replace(self._folder / f"{self._name}-{last:012d}.jsonl")
        self._file, self._size = self._open(), 0
        for old in self._full_files()[: -self._bounds.files]:
            old.unlink()

    def _full_files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name}-*.jsonl"))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries with a number above `after`, oldest first."""
        self.flush()
        for path in [*self._full_files(), self._path]:
            if path != self._path and int(path.stem.rpartition("-")[2]) <= after:
                continue
            with path.open("rb") as lines:
                for line in lines:
                    entry: Entry = orjson.loads(line)
                    if entry["n"] > after:
                        yield entry

    def newest(self, count: int) -> list[Entry]:
        """The newest entries of the file being written, oldest first."""
        with self._path.open("rb") as lines:
            return [orjson.loads(line) for line in deque(lines, maxlen=count)]

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Ledger:
    """Append-only. Without a folder it lives in memory alone."""

    def __init__(self, folder: Path | None, ledger: Bounds = LEDGER, reads: Bounds = READS) -> None:
        self._kept: dict[str, deque[Entry]] = {kind: deque(maxlen=KEPT) for kind in KINDS}
        self._streams: dict[str, Stream] = {}
        self.number = 0
        # Number of the newest entry that memory no longer holds.
        self._forgotten = 0
        if folder is not None:
            changes, others = Stream(folder, "ledger", ledger), Stream(folder, "reads", reads)
            self._streams = {kind: others if kind in ("read", "refused") else changes for kind in KINDS}
            for stream in (changes, others):
                newest = stream.newest(KEPT)
                for entry in newest:
                    self._keep(entry["kind"], entry)
                if newest:
                    self.number = max(self.number, newest[-1]["n"])
                    self._forgotten = max(self._forgotten, newest[0]["n"] - 1)

    def _keep(self, kind: str, entry: Entry) -> None:
        kept = self._kept[kind]
        if len(kept) == KEPT:
            self._forgotten = max(self._forgotten, kept[0]["n"])
        kept.append(entry)

    def add(self, kind: str, entry: Mapping[str, Any]) -> Entry:
        """Record an entry of one of KINDS; returns it with its number."""
        self.number += 1
        numbered: Entry = {"n": self.number, "kind": kind, **entry}
        self._keep(kind, numbered)
        stream = self._streams.get(kind)
        if stream is not None:
            stream.write(orjson.dumps(numbered) + b"\n", kind in AT_ONCE)
            if stream.full():
                stream.turn(self.number)
        return numbered

    def flush(self) -> None:
        for stream in set(self._streams.values()):
            stream.flush()

    def select(
        self,
        kind: str = "",
        cl_ord_id: str = "",
        after: int = 0,
        limit: int = 1000,
        *,
        path: str = "",
        account: str = "",
    ) -> list[Entry]:
        """Entries with a number above `after`, oldest first: the newest `limit`, or after a given number the first.

        `kind` blank takes all; a client order id finds the requests that name it. What memory no longer holds is read
        from the files when `after` asks for it.
        """

        def wanted(entry: Entry) -> bool:
            return (
                entry["n"] > after
                and (not cl_ord_id or cl_ord_id in entry.get("clOrdIds", ()))
                and (not path or path in entry.get("path", ""))
                and (not account or account == entry.get("account", ""))
            )

        kinds = (kind,) if kind in KINDS else KINDS if not kind else ()
        if 0 < after < self._forgotten and self._streams:
            streams = {self._streams[name] for name in kinds}
            merged = heapq.merge(*(stream.entries(after) for stream in streams), key=lambda e: e["n"])
            return list(islice((e for e in merged if e["kind"] in kinds and wanted(e)), limit))
        found = sorted((e for name in kinds for e in self._kept[name] if wanted(e)), key=lambda e: e["n"])
        return found[-limit:]

    def close(self) -> None:
        for stream in set(self._streams.values()):
            stream.close()
