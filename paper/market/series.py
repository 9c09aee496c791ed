"""Base bars of one instrument as arrays: prices in whole ticks, volume in base coin."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ticks = NDArray[np.int32]
Volumes = NDArray[np.float64]


def _no_ticks() -> Ticks:
    return np.empty(0, dtype=np.int32)


def _no_volume() -> Volumes:
    return np.empty(0, dtype=np.float64)


@dataclass
class Series:
    """Bars in order of time, without gaps; index 0 opens at the market's `t0_ms`."""

    open: Ticks = field(default_factory=_no_ticks)
    high: Ticks = field(default_factory=_no_ticks)
    low: Ticks = field(default_factory=_no_ticks)
    close: Ticks = field(default_factory=_no_ticks)
    volume: Volumes = field(default_factory=_no_volume)

    def __len__(self) -> int:
        return len(self.close)

    def extend(self, other: "Series") -> None:
        """Append the bars of `other`."""
        self.open = np.concatenate([self.open, other.open])
        self.high = np.concatenate([self.high, other.high])
        self.low = np.concatenate([self.low, other.low])
        self.close = np.concatenate([self.close, other.close])
        self.volume = np.concatenate([self.volume, other.volume])
