"""The price path inside a bar.

Each bar is walked in a fixed number of steps: the first prints the open, the last the close; in between the
nearer extreme comes first (the low when both are equally near) and then the other. Steps between these anchors
are interpolated with seeded noise and never leave the bar's range. Step k of n ends (k+1)/n of the bar after
its open, so the last step ends exactly at the bar's close.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from paper.market.series import Series

STEPS_PER_FIVE_MINUTES = 20
NOISE = 0.07


def steps_for(bar_ms: int) -> int:
    """Steps walked in one bar: 20 for five minutes, never fewer than 4."""
    return max(4, STEPS_PER_FIVE_MINUTES * bar_ms // 300_000)


def paths(series: Series, first: int, last: int, steps: int, seed: int, inst_id: str) -> NDArray[np.int32]:
    """Paths of bars `first` (inclusive) to `last` (exclusive) as a matrix bars × steps of ticks.

    The seed of the noise includes `first`: ask for the same blocks to get the same paths.
    """
    rng = np.random.default_rng([seed, 11, zlib.crc32(inst_id.encode()), first])
    count = last - first
    opens = series.open[first:last].astype(np.float64)
    highs = series.high[first:last].astype(np.float64)
    lows = series.low[first:last].astype(np.float64)
    closes = series.close[first:last].astype(np.float64)
    high_first = (highs - opens) < (opens - lows)
    one = np.where(high_first, highs, lows)
    two = np.where(high_first, lows, highs)
    at_one = rng.integers(1, steps - 2, count) if steps > 4 else np.ones(count, dtype=np.int64)
    at_two = at_one + 1 + (rng.random(count) * (steps - 2 - at_one)).astype(np.int64)
    at_two = np.minimum(at_two, steps - 2)
    walk = np.empty((count, steps))
    spread = (highs - lows) * NOISE
    for step in range(steps):
        to_one = opens + (one - opens) * (step / at_one)
        to_two = one + (two - one) * ((step - at_one) / (at_two - at_one))
        to_close = two + (closes - two) * ((step - at_two) / (steps - 1 - at_two))
        value = np.where(step <= at_one, to_one, np.where(step <= at_two, to_two, to_close))
        value = value + spread * rng.standard_normal(count)
        value = np.clip(value, lows, highs)
        value = np.where(step == at_one, one, np.where(step == at_two, two, value))
        walk[:, step] = value
    walk[:, 0] = opens
    walk[:, steps - 1] = closes
    return np.rint(walk).astype(np.int32)
