"""Correlation of two instruments' returns: how much one position repeats another."""

import math

import numpy as np

from trading.candle import BAR_SECONDS
from trading.candle_series import CandleSeries

MIN_RETURNS = 60


def return_correlation(one: CandleSeries, other: CandleSeries) -> float | None:
    """Pearson correlation (−1…1) of log returns over the bars both have.

    A return counts only where both instruments have that bar and the one before it. None with fewer than 60 such
    returns, or where one of the two did not move at all.
    """
    if one.bar != other.bar:
        raise ValueError(f"cannot correlate {one.bar} with {other.bar} candles")
    shared, at_one, at_other = np.intersect1d(one.ts, other.ts, assume_unique=True, return_indices=True)
    if len(shared) <= MIN_RETURNS:
        return None
    neighbours = np.diff(shared) == BAR_SECONDS[one.bar] * 1000
    if int(np.count_nonzero(neighbours)) < MIN_RETURNS:
        return None
    returns_one = np.diff(np.log(one.close[at_one]))[neighbours]
    returns_other = np.diff(np.log(other.close[at_other]))[neighbours]
    if float(np.std(returns_one)) == 0.0 or float(np.std(returns_other)) == 0.0:
        return None
    value = float(np.corrcoef(returns_one, returns_other)[0, 1])
    return value if math.isfinite(value) else None
