"""The two kinds of time.

Market time drives candle slots, cooldowns, the UTC day and holding times; in paper it may run faster than the
wall or stand still between bars. Wall time drives signatures, timeouts, leases and ages; it is never accelerated.
This module is the only one that reads the machine's clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Protocol


def wall_now() -> datetime:
    """Wall time, aware UTC."""
    return datetime.now(UTC)


def wall_ms() -> int:
    """Wall time in milliseconds since the epoch."""
    return time_ns() // 1_000_000


def from_ms(ms: int | str) -> datetime:
    """OKX millisecond timestamp → aware UTC."""
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def to_ms(at: datetime) -> int:
    """Aware time → milliseconds since the epoch. Raises ValueError on a naive time."""
    if at.tzinfo is None:
        raise ValueError("naive datetime where aware UTC is required")
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


class Clock(Protocol):
    """Both clocks as the bot sees them. Implementations: `exchange.clock` (wall; paper), virtual in a backtest."""

    def market_now(self) -> datetime:
        """Market time, aware UTC. Raises `ClockUnavailable` when it cannot be known."""

    def wall_now(self) -> datetime:
        """Wall time, aware UTC."""


class ClockUnavailable(RuntimeError):
    """Market time cannot be known (the paper exchange does not answer and no anchor holds)."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """Market time is wall time: demo and live."""

    def market_now(self) -> datetime:
        return wall_now()

    def wall_now(self) -> datetime:
        return wall_now()


def slot_close(at: datetime, seconds: int) -> datetime:
    """The latest bar close at or before `at`, for bars of `seconds` aligned to the epoch (UTC)."""
    epoch = int(at.timestamp())
    return datetime.fromtimestamp(epoch - epoch % seconds, UTC)
