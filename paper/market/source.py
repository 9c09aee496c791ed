"""The interface every price source meets."""

from typing import Protocol

from paper.instruments import Instrument
from paper.market.series import Series


class Source(Protocol):
    """Base bars for a fixed set of instruments, all on one time grid."""

    kind: str
    instruments: dict[str, Instrument]
    bar_ms: int
    t0_ms: int
    synthesised: tuple[str, ...]

    def ensure(self, bars: int) -> int:
        """Make at least `bars` bars available where the source has them; the number available then."""

    def series(self, inst_id: str) -> Series:
        """The bars available so far."""
