"""The ledger: every mutating request and every bar close, with wall time in µs, for tests and auditors.

Kept as `ledger.jsonl` in the data folder and, for `GET /paper/ledger`, the newest entries in memory.
"""

from collections import deque
from io import BufferedWriter
from pathlib import Path
from typing import Any

import orjson

KEPT = 20000


class Ledger:
    """Append-only. Request entries are written at once, bar closes with the next of them or on `flush`."""

    def __init__(self, folder: Path | None) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._closes: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._file: BufferedWriter | None = None
        self.number = 0
        if folder is not None:
            path = folder / "ledger.jsonl"
            if path.exists():
                self._reload(path)
            self._file = path.open("ab")

    def _reload(self, path: Path) -> None:
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = orjson.loads(line)
                self.number = entry["n"]
                (self._closes if entry["kind"] == "bar_close" else self._entries).append(entry)

    def add(self, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
        """Record an entry of kind `request` or `bar_close`; returns it with its number."""
        self.number += 1
        entry = {"n": self.number, "kind": kind, **entry}
        (self._closes if kind == "bar_close" else self._entries).append(entry)
        if self._file is not None:
            self._file.write(orjson.dumps(entry) + b"\n")
            if kind == "request":
                self._file.flush()
        return entry

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def select(self, kind: str, cl_ord_id: str, after: int, limit: int) -> list[dict[str, Any]]:
        """Entries with a number above `after`, oldest first; the newest `limit` of them."""
        found: list[dict[str, Any]] = []
        if kind in ("", "request"):
            found += [e for e in self._entries if not cl_ord_id or cl_ord_id in e["clOrdIds"]]
        if kind in ("", "bar_close") and not cl_ord_id:
            found += self._closes
        found = sorted((e for e in found if e["n"] > after), key=lambda e: e["n"])
        return found[-limit:]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
