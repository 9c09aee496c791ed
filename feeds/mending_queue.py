"""What there is to mend in the series of candles, each when its time has come; the same thing asked for twice is once.

Thread-safe. Times are wall seconds of one monotonic clock.
"""

import heapq
import threading
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from time import monotonic

from trading.candle import Candle

Stream = tuple[str, str]
"""Instrument and bar."""


@dataclass(frozen=True)
class CatchUp:
    """Bring a stream up to now."""

    stream: Stream

    def __str__(self) -> str:
        return f"catch up {' '.join(self.stream)}"


@dataclass(frozen=True)
class Span:
    """Read these bars (opens, both included); `sure`: even if they are held, because they are in doubt."""

    stream: Stream
    first: datetime
    last: datetime
    sure: bool = False

    def __str__(self) -> str:
        return f"{' '.join(self.stream)} {self.first:%Y-%m-%d %H:%M} to {self.last:%H:%M}"


@dataclass(frozen=True)
class Check:
    """Compare a longer bar with its parts; `again`: after both were read from REST."""

    stream: Stream
    ts: datetime
    again: bool = False

    def __str__(self) -> str:
        return f"check {' '.join(self.stream)} {self.ts:%H:%M}"


@dataclass(frozen=True)
class Settle:
    """A pushed bar that Redis had no room for: it is held already, differs, or belongs further back."""

    candle: Candle

    @property
    def stream(self) -> Stream:
        return self.candle.inst_id, self.candle.bar

    def __str__(self) -> str:
        return f"settle {' '.join(self.stream)} {self.candle.ts:%H:%M}"


Job = CatchUp | Span | Check | Settle


@dataclass(order=True)
class Due:
    """A job, when it is due, and how often it was tried."""

    at: float
    number: int
    job: Job = field(compare=False)
    tries: int = field(compare=False, default=0)


class MendingQueue:
    """`next` waits for the job that is due first; None once `stop` was called."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._heap: list[Due] = []
        self._numbers = count()
        self._queued: set[Job] = set()
        self._wake = threading.Condition()

    def ask(self, job: Job, in_s: float = 0.0, tries: int = 0) -> None:
        """This job, in so many seconds; nothing when it is waiting already."""
        with self._wake:
            if job not in self._queued:
                self._queued.add(job)
                heapq.heappush(self._heap, Due(monotonic() + in_s, next(self._numbers), job, tries))
                self._wake.notify()

    def next(self) -> Due | None:
        with self._wake:
            while not self.stopping.is_set():
                wait = self._heap[0].at - monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    due = heapq.heappop(self._heap)
                    self._queued.discard(due.job)
                    return due
                self._wake.wait(wait)
        return None

    def stop(self) -> None:
        self.stopping.set()
        with self._wake:
            self._wake.notify()
