"""How far a figure of few trades can be trusted: intervals instead of bare means.

Shares: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
Statistical Association 22 (1927). Means: the percentile bootstrap of B. Efron and R. Tibshirani, "An Introduction to
the Bootstrap" (1993), because R multiples are far from normal: cut off at the stop, spread out at the target. The
resamples are drawn from a fixed seed, so that the same trades give the same interval.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
LEAST = 5
"""Fewer values have no interval of their mean."""
_SEED = 20


def wilson(successes: int, n: int, level: float = 0.9) -> tuple[float, float] | None:
    """Interval of a share at a two-sided confidence `level`; None without observations."""
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) + z * z / (4 * n)) / n) ** 0.5
    # At an edge the bound is the edge itself; floating point must not lie beyond it.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mean_interval(values: Sequence[float], level: float = 0.9) -> tuple[float, float] | None:
    """Interval of the mean at a two-sided confidence `level`; None of less than five values."""
    if len(values) < LEAST:
        return None
    sample = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(_SEED).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.quantile(sample[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
