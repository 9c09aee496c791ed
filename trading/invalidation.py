"""Whether the reason for a position is gone, read from closed candles."""

from decimal import Decimal

from trading.decision import Invalidation
from trading.snapshot import FrameIndicators


def is_invalidated(condition: Invalidation, frames: dict[str, FrameIndicators]) -> bool | None:
    """True when the condition holds on the last closed candle of its timeframe; None when that cannot be known."""
    frame = frames.get(condition.timeframe)
    value = None if frame is None else getattr(frame, condition.indicator)
    if value is None:
        return None
    seen = Decimal(repr(float(value)))
    return seen > condition.level if condition.comparison == "above" else seen < condition.level


def describe(condition: Invalidation) -> str:
    """The condition in words, e.g. `15m rsi14 below 40`."""
    return f"{condition.timeframe} {condition.indicator} {condition.comparison} {condition.level}"
