"""How long a position had no stop, by the exchange's own count, while the exchange could be reached.

The exchange counts market time; divided by the speed it is wall seconds. Read five times a second; readings that fail
mean the exchange is unreachable, and what passes in between is not counted.
"""

import threading

import httpx

from soak.whole import SPEED, WholeBot

EVERY_S = 0.2


class NakedWatch:
    """A thread. `longest_s` is the longest time without interruption, `total_s` all of it, both wall seconds."""

    def __init__(self, bot: WholeBot) -> None:
        self._bot = bot
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="naked-watch", daemon=True)
        self.longest_s = self.total_s = 0.0
        self._episode = 0.0
        self._last: float | None = None

    def __enter__(self) -> "NakedWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                (account,) = self._bot.ask("/paper/audit")["accounts"].values()
            except (httpx.HTTPError, KeyError, ValueError):
                self._last = None
                continue
            self._read(float(account["uncovered_seconds"]) / SPEED)

    def _read(self, counted: float) -> None:
        grown = counted - self._last if self._last is not None else 0.0
        self._last = counted
        self._episode = self._episode + grown if grown > 0 else 0.0
        self.total_s += max(grown, 0.0)
        self.longest_s = max(self.longest_s, self._episode)
