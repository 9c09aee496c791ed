"""When a decision slot is complete: the deciding candle has confirmed, and so have the longer bars closing
with it.

The exchange confirms them one after the other within milliseconds. A slot is opened when the last of them is
written, or WAIT_S after the deciding one, whichever comes first; a slot is opened once.
"""

import threading
from collections.abc import Callable
from datetime import datetime

from trading.candle import BAR_SECONDS, Candle

WAIT_S = 0.05

Slot = tuple[str, datetime]


def bars_closing_at(slot: datetime, bars: tuple[str, ...]) -> set[str]:
    """Which bars close at `slot` (all are aligned to the UTC epoch)."""
    epoch = int(slot.timestamp())
    return {bar for bar in bars if epoch % BAR_SECONDS[bar] == 0}


class SlotGate:
    """Calls `open_slot(inst_id, slot)` once a slot is complete. Thread-safe."""

    def __init__(self, decision_bar: str, bars: tuple[str, ...], open_slot: Callable[[str, datetime], None]) -> None:
        self._decision_bar = decision_bar
        self._bars = bars
        self._open = open_slot
        self._lock = threading.Lock()
        self._written: dict[Slot, set[str]] = {}
        self._opened: dict[str, datetime] = {}

    def confirmed(self, candle: Candle) -> None:
        """A confirmed candle has been written."""
        slot = (candle.inst_id, candle.closes_at)
        with self._lock:
            last = self._opened.get(candle.inst_id)
            if last is not None and candle.closes_at <= last:
                return
            written = self._written.setdefault(slot, set())
            written.add(candle.bar)
            complete = bars_closing_at(candle.closes_at, self._bars) <= written
        if self._decision_bar not in written:
            return
        if complete:
            self._open_once(slot)
        elif candle.bar == self._decision_bar:
            timer = threading.Timer(WAIT_S, self._open_once, (slot,))
            timer.daemon = True
            timer.start()

    def _open_once(self, slot: Slot) -> None:
        inst_id, at = slot
        with self._lock:
            last = self._opened.get(inst_id)
            if last is not None and at <= last:
                return
            self._opened[inst_id] = at
            self._written = {key: bars for key, bars in self._written.items() if key[0] != inst_id or key[1] > at}
        self._open(inst_id, at)
