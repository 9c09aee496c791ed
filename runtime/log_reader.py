"""The logs of all services of a home as one stream, in the order things happened.

A service's log is JSON lines, with rotated older parts `NAME.log.1` and so on. A line that is not JSON (a server's own,
a traceback) takes the time of the line before it.
"""

import heapq
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLDEST = ""


@dataclass(frozen=True, order=True)
class Line:
    """`at` is ISO 8601, wall time, UTC; `entry` the JSON object, or `{"event": text}`."""

    at: str
    service: str = field(compare=False)
    entry: dict[str, Any] = field(compare=False)
    raw: str = field(compare=False)


Wanted = Callable[[Line], bool]


def services_with_logs(folder: Path) -> list[str]:
    """Names of the services that have written anything."""
    return sorted(path.stem for path in folder.glob("*.log") if path.stem != "supervisor")


def read(folder: Path, services: Iterable[str], wanted: Wanted, last: int | None) -> list[Line]:
    """The last `last` wanted lines of these services together (None: all), oldest first."""
    streams = [deque((line for line in _lines(folder, name) if wanted(line)), last) for name in services]
    merged = list(heapq.merge(*streams))
    return merged if last is None else merged[-last:]


def follow(folder: Path, services: Iterable[str], wanted: Wanted) -> Callable[[], list[Line]]:
    """A function that returns the wanted lines written since it was last called (at first: since now)."""
    tails = [_Tail(folder / f"{name}.log", name) for name in services]
    return lambda: sorted(line for tail in tails for line in tail.news() if wanted(line))


def _lines(folder: Path, service: str) -> Iterator[Line]:
    older = sorted(folder.glob(f"{service}.log.*"), key=lambda path: -int(path.suffix[1:]) if _numbered(path) else 0)
    at = OLDEST
    for path in (*filter(_numbered, older), folder / f"{service}.log"):
        try:
            with path.open(errors="replace") as file:
                for raw in file:
                    line = parse(raw.rstrip("\n"), service, at)
                    if line is not None:
                        at = line.at
                        yield line
        except FileNotFoundError:  # rotated away just now
            continue


def _numbered(path: Path) -> bool:
    return path.suffix[1:].isdigit()


def parse(raw: str, service: str, at: str) -> Line | None:
    """A line of a log; None for an empty one. `at` is the time of the line before it."""
    if not raw.strip():
        return None
    if raw.startswith("{"):
        try:
            entry = json.loads(raw)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            return Line(str(entry.get("timestamp", at)), service, entry, raw)
    return Line(at, service, {"event": raw}, raw)


class _Tail:
    """What is appended to one file, over its rotation."""

    def __init__(self, path: Path, service: str) -> None:
        self._path, self._service = path, service
        self._inode, self._read_to, self._rest, self._at = 0, 0, b"", OLDEST
        if path.exists():
            found = path.stat()
            self._inode, self._read_to = found.st_ino, found.st_size

    def news(self) -> list[Line]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return []
        if found.st_ino != self._inode or found.st_size < self._read_to:
            self._inode, self._read_to, self._rest = found.st_ino, 0, b""
        with self._path.open("rb") as file:
            file.seek(self._read_to)
            written = self._rest + file.read()
            self._read_to = file.tell()
        *whole, self._rest = written.split(b"\n")
        lines = []
        for raw in whole:
            line = parse(raw.decode(errors="replace"), self._service, self._at)
            if line is not None:
                self._at = line.at
                lines.append(line)
        return lines
