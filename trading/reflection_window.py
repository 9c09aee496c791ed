"""When the bot reflects: windows of 20 closed trades or six hours of market time, whichever ends first.

Windows follow each other without a gap: each begins where the last one ended, so its beginning names it, and whoever
looks, however late and however often, finds the same window. Six hours in which nothing closed are no window: the
hours go on in steps of six until a trade has closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY_TRADES = 20
EVERY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Window:
    """One that has ended. Times are market time; `trades` closed after `start` and at or before `end`."""

    name: str
    start: datetime
    end: datetime
    trades: int
    reason: str


def due_window(start: datetime, closes: Sequence[datetime], now: datetime, *, first: bool = False) -> Window | None:
    """The window that began at `start`, if it has ended by `now`; `closes` are market times of closed trades."""
    later = sorted(at for at in closes if start < at <= now)
    if not later:
        return None
    by_trades = later[EVERY_TRADES - 1] if len(later) >= EVERY_TRADES else None
    steps = -((start - later[0]) // EVERY)  # whole steps of six hours, up to the first that holds a close
    by_hours = start + EVERY * steps
    if by_trades is not None and by_trades <= by_hours:
        end, reason = by_trades, f"{EVERY_TRADES} closed trades"
    elif by_hours <= now:
        end, reason = by_hours, "6 hours"
    else:
        return None
    name = "deep:first" if first else f"deep:{start:%Y-%m-%dT%H:%M:%S.%fZ}"
    return Window(name, start, end, sum(at <= end for at in later), reason)
