"""What a strategy answers: a signal with its reasons, or the one thing that is missing for it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from trading.decision import Invalidation
from trading.snapshot import FrameIndicators

Direction = Literal["long", "short"]


class NotReady(LookupError):
    """A timeframe or an indicator is not there yet; `str()` says which."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A reason to enter. `stop_distance` is in USDT from the entry price; `confidence` a probability of the target."""

    direction: Direction
    strategy: str
    stop_distance: float
    confidence: Decimal
    observations: tuple[str, ...]
    risk_factors: tuple[str, ...]
    invalidation: Invalidation


@dataclass(frozen=True, slots=True)
class Waiting:
    """No signal; `reason` is what it waits for, `met` how many of its conditions hold already."""

    direction: Direction
    reason: str
    met: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing a strategy asks for, and what to say while it does not hold."""

    holds: bool
    otherwise: str


def first_failing(direction: Direction, conditions: list[Condition]) -> Waiting | None:
    """The first condition that does not hold, as a reason; None when all do."""
    for met, condition in enumerate(conditions):
        if not condition.holds:
            return Waiting(direction, condition.otherwise, met)
    return None


class Frames:
    """The frames of one snapshot, read by name; a value that is not there raises NotReady instead of being None."""

    def __init__(self, frames: dict[str, FrameIndicators]) -> None:
        self._frames = frames

    def value(self, bar: str, indicator: str) -> float:
        """An indicator of a timeframe on its last closed bar. Raises NotReady."""
        frame = self._frames.get(bar)
        if frame is None:
            raise NotReady(f"there are no closed {bar} candles")
        value = getattr(frame, indicator)
        if value is None:
            raise NotReady(f"{bar} {indicator} is not warmed up ({frame.bars} closed candles)")
        return float(value)


def price_text(value: float) -> str:
    """A price for a sentence: five significant digits, no exponent."""
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.5g}"
