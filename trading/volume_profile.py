"""The volume profile of the last 24 hours: at which prices was traded how much.

Each closed bar's volume is spread evenly over its range, in BINS equal steps between the lowest low and the highest
high. The point of control is the middle of the step with most volume; the value area grows from it, always to the
heavier neighbour, until it holds VALUE_SHARE of the volume (Steidlmayer's market profile). Prices in USDT.
"""

import numpy as np

from trading.candle import BAR_SECONDS
from trading.candle_series import CandleSeries
from trading.snapshot import VolumeProfile

BINS = 48
VALUE_SHARE = 0.7
DAY_S = 86_400


def volume_profile(series: CandleSeries) -> VolumeProfile | None:
    """The profile of the last unbroken 24 hours of closed bars; None with less history, no volume or one price."""
    wanted = DAY_S // BAR_SECONDS[series.bar]
    run = series.since_last_gap()
    if wanted < 1 or len(run) < wanted:
        return None
    high, low, volume = run.high[-wanted:], run.low[-wanted:], run.volume[-wanted:]
    bottom, top = float(np.min(low)), float(np.max(high))
    if not (top > bottom and float(np.sum(volume)) > 0):
        return None
    edges = np.linspace(bottom, top, BINS + 1)
    # Share of each bar's range within each step; a bar of one price lies wholly in its step.
    overlap = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    length = (high - low)[:, None]
    share = np.clip(overlap, 0, None) / np.where(length > 0, length, 1)
    still = np.flatnonzero(high == low)
    share[still, np.clip(np.searchsorted(edges, low[still], side="right") - 1, 0, BINS - 1)] = 1
    traded = volume @ share
    control = int(np.argmax(traded))
    first = last = control
    held, enough = float(traded[control]), VALUE_SHARE * float(np.sum(traded))
    while held < enough and (first > 0 or last < BINS - 1):
        below = float(traded[first - 1]) if first > 0 else -1.0
        above = float(traded[last + 1]) if last < BINS - 1 else -1.0
        if above >= below:
            last, held = last + 1, held + above
        else:
            first, held = first - 1, held + below
    return VolumeProfile(
        point_of_control=float(edges[control] + edges[control + 1]) / 2,
        value_area_low=float(edges[first]),
        value_area_high=float(edges[last + 1]),
        volume=float(np.sum(volume)),
    )
