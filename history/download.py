"""OKX's candles into the `candles` table, a page at a time; what is there already is not asked for again.

Each page is committed before the next is asked for, so that a download that was ended goes on where it was. Spans are
read newest first within OKX's rate limits. A bar that no market can have is left out. Raises ReadFailed after the
retries of a read.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.history_reader import PAGE, HistoryReader
from exchange.reads import Reads
from history.store import Stored, missing, store
from models.session import SessionFactory
from trading.candle import BAR_SECONDS, Candle
from trading.candle_consistency import impossible


@dataclass(frozen=True)
class Page:
    """Progress: bars of the span dealt with, what became of them, and how many could not be."""

    bars: int
    stored: Stored
    impossible: int = 0


class Download:
    """One instrument and bar from `first` to before `end` (aware UTC, on the bar's grid)."""

    def __init__(
        self, sessions: SessionFactory, exchange: Reads, inst_id: str, bar: str, first: datetime, end: datetime
    ) -> None:
        self._sessions = sessions
        self._reader = HistoryReader(exchange, threading.Event())
        self._inst_id, self._bar = inst_id, bar
        self._step = timedelta(seconds=BAR_SECONDS[bar])
        self._spans = missing(sessions, inst_id, bar, first, end)

    @property
    def bars(self) -> int:
        """How many bars are not stored yet."""
        return sum((last - first) // self._step + 1 for first, last in self._spans)

    def pages(self) -> Iterator[Page]:
        """Read and store, page by page."""
        for first, last in reversed(self._spans):
            before = last + self._step
            while before > first:
                wanted = min(PAGE, (before - first) // self._step)
                page = [c for c in self._read(before, wanted) if c.ts >= first]
                oldest = page[-1].ts if page else None
                sane = [candle for candle in page if not impossible(candle)]
                with self._sessions.begin() as session:
                    stored = store(session, sane)
                # Nothing further back: the instrument was not listed yet.
                next_before = first if oldest is None else oldest
                yield Page((before - next_before) // self._step, stored, len(page) - len(sane))
                before = next_before

    def _read(self, before: datetime, bars: int) -> list[Candle]:
        return self._reader.older(self._inst_id, self._bar, before, bars, recent=False)
