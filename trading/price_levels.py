"""Support and resistance: floor pivots of the previous UTC day, and Williams fractals of a timeframe.

Pivots: P = (H + L + C) / 3, R1 = 2P − L, S1 = 2P − H, R2 = P + (H − L), S2 = P − (H − L), from the day's high, low and
close. A fractal high is a bar whose high exceeds those of the two bars on either side; lows alike. Levels closer
together than a quarter of ATR14 are one level, their mean. Prices in USDT.
"""

import numpy as np
from numpy.typing import NDArray

from trading.candle import BAR_SECONDS
from trading.candle_series import CandleSeries, Floats
from trading.snapshot import PivotLevels

DAY_S = 86_400
DAY_MS = DAY_S * 1000
WING = 2
LOOK_BACK = 200
LEVELS = 3
MERGE_ATR = 0.25


def daily_pivots(series: CandleSeries) -> PivotLevels | None:
    """Pivots of the whole UTC day before that of the last closed bar; None unless every bar of it is there."""
    if not len(series):
        return None
    start = (int(series.ts[-1]) // DAY_MS - 1) * DAY_MS
    first, end = (int(edge) for edge in np.searchsorted(series.ts, (start, start + DAY_MS)))
    if end - first != DAY_S // BAR_SECONDS[series.bar]:
        return None
    high, low = float(np.max(series.high[first:end])), float(np.min(series.low[first:end]))
    pivot = (high + low + float(series.close[end - 1])) / 3
    return PivotLevels(
        pivot=pivot, r1=2 * pivot - low, s1=2 * pivot - high, r2=pivot + high - low, s2=pivot - high + low
    )


def fractal_levels(run: CandleSeries, atr: float | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Supports under and resistances over the last close, nearest first, three each at most; none without ATR."""
    if atr is None or len(run) < 2 * WING + 1:
        return (), ()
    high, low, close = run.high[-LOOK_BACK:], run.low[-LOOK_BACK:], float(run.close[-1])
    found = np.concatenate((high[_peaks(high)], low[_peaks(-low)]))
    levels = _merged(np.sort(found), MERGE_ATR * atr)
    supports = tuple(level for level in reversed(levels) if level < close)[:LEVELS]
    resistances = tuple(level for level in levels if level > close)[:LEVELS]
    return supports, resistances


def _peaks(values: Floats) -> NDArray[np.intp]:
    """Positions higher than the two values on either side."""
    middle = values[WING:-WING]
    above = np.ones(len(middle), dtype=bool)
    for step in range(1, WING + 1):
        above &= middle > values[WING - step : len(values) - WING - step]
        above &= middle > values[WING + step : len(values) - WING + step]
    return np.flatnonzero(above) + WING


def _merged(levels: Floats, within: float) -> list[float]:
    """Sorted levels, those within `within` of their group's first one joined to their mean."""
    groups: list[list[float]] = []
    for level in levels.tolist():
        if groups and level - groups[-1][0] <= within:
            groups[-1].append(level)
        else:
            groups.append([level])
    return [sum(group) / len(group) for group in groups]
