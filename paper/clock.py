"""The exchange's two clocks.

Wall time judges signatures and `expTime`. Market time stamps all market and account data: it runs `speed` times
as fast as the wall from an anchor, or stands still between bars (`lockstep`).
"""

from dataclasses import dataclass
from time import time_ns

from paper.options import Speed


def wall_ms() -> int:
    return time_ns() // 1_000_000


def wall_us() -> int:
    return time_ns() // 1_000


@dataclass
class MarketClock:
    """Scaled market time: `anchor_market_ms + (wall - anchor_wall_ms) * speed`, or a value set by `stand`."""

    speed: Speed
    anchor_market_ms: int
    anchor_wall_ms: int
    ended: bool = False

    def at(self, wall: int) -> int:
        """Market time in ms when the wall shows `wall` ms."""
        if self.speed == "lockstep" or self.ended:
            return self.anchor_market_ms
        return self.anchor_market_ms + int((wall - self.anchor_wall_ms) * self.speed)

    def now_ms(self) -> int:
        return self.at(wall_ms())

    def stand(self, market_ms: int) -> None:
        """Put market time at `market_ms`; in lockstep it stays there."""
        self.anchor_market_ms = market_ms
        self.anchor_wall_ms = wall_ms()

    def end(self, market_ms: int) -> None:
        """The market has no further bars: time stands for good."""
        self.ended = True
        self.anchor_market_ms = market_ms

    def wall_delay_s(self, market_ms: int) -> float:
        """Seconds of wall time until market time reaches `market_ms`; never negative."""
        if self.speed == "lockstep":
            raise ValueError("market time does not flow in lockstep")
        due = self.anchor_wall_ms + (market_ms - self.anchor_market_ms) / self.speed
        return max(0.0, (due - time_ns() / 1e6) / 1000)

    def row(self) -> dict[str, object]:
        """The body of `GET /paper/clock`."""
        wall = wall_ms()
        return {
            "market_ms": self.at(wall),
            "wall_ms": wall,
            "speed": self.speed,
            "anchor_market_ms": self.anchor_market_ms,
            "anchor_wall_ms": self.anchor_wall_ms,
            "ended": self.ended,
        }
