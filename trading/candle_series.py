"""A run of closed candles of one bar length as float arrays, ready for indicators.

Indicators are not money, so floats are allowed here; prices that reach an order stay `Decimal`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trading.candle import BAR_SECONDS, Candle
from trading.clock import to_ms

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Closed candles in time order. `ts` is each bar's open in ms since the epoch (market time); volume in coins."""

    bar: str
    ts: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def from_candles(cls, bar: str, candles: Iterable[Candle]) -> "CandleSeries":
        """The confirmed ones of `candles`, in time order, each bar once (the later entry wins)."""
        closed = {to_ms(c.ts): c for c in candles if c.confirmed and c.bar == bar}
        rows = [closed[ts] for ts in sorted(closed)]
        columns = [
            np.array([float(getattr(c, name)) for c in rows], dtype=np.float64)
            for name in ("open", "high", "low", "close", "vol_coins")
        ]
        return cls(bar, np.array(sorted(closed), dtype=np.int64), *columns)

    def since_last_gap(self) -> "CandleSeries":
        """The unbroken run of bars at the end: an indicator across a gap would be a made-up number."""
        gaps = np.flatnonzero(np.diff(self.ts) != BAR_SECONDS[self.bar] * 1000)
        if not len(gaps):
            return self
        start = int(gaps[-1]) + 1
        return CandleSeries(
            self.bar,
            self.ts[start:],
            self.open[start:],
            self.high[start:],
            self.low[start:],
            self.close[start:],
            self.volume[start:],
        )

    def with_forming(self, forming: Candle) -> "CandleSeries":
        """These bars and, for who asks for it, the one still forming; unchanged when it does not follow the last."""
        if not len(self) or to_ms(forming.ts) != int(self.ts[-1]) + BAR_SECONDS[self.bar] * 1000:
            return self
        last = (forming.open, forming.high, forming.low, forming.close, forming.vol_coins)
        held = (self.open, self.high, self.low, self.close, self.volume)
        columns = [np.append(column, float(value)) for column, value in zip(held, last, strict=True)]
        return CandleSeries(self.bar, np.append(self.ts, to_ms(forming.ts)), *columns)

    def change_pct(self, bars: int) -> float | None:
        """Change of the close over the last `bars` bars, per cent; None without that much unbroken history."""
        run = self.since_last_gap()
        if len(run) <= bars or run.close[-1 - bars] <= 0:
            return None
        return float(run.close[-1] / run.close[-1 - bars] - 1) * 100
