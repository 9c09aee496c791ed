"""Ichimoku Kinko Hyo 9/26/52 (Hosoda) at the last closed bar.

Each line is the middle of the highest high and the lowest low of its window. The cloud stands 26 bars ahead with
the bar it was computed on counted as the first, as charting programs draw it: the cloud under the last closed bar was
computed 25 bars before it. Prices in USDT; None until a line has all the bars it rests on (the cloud: 77).
"""

import numpy as np

from trading.candle_series import CandleSeries, Floats

CONVERSION, BASE, SPAN_B = 9, 26, 52
AHEAD = 25


def ichimoku(run: CandleSeries) -> dict[str, float | None]:
    """Fields of `FrameIndicators` of an unbroken run of closed bars: the five lines and the cloud to come."""
    bars = len(run)

    def middle(window: int, back: int = 0) -> float | None:
        end = bars - back
        return _middle(run.high[end - window : end], run.low[end - window : end]) if end >= window else None

    def leading(back: int) -> tuple[float | None, float | None]:
        conversion, base = middle(CONVERSION, back), middle(BASE, back)
        span_a = None if conversion is None or base is None else (conversion + base) / 2
        return span_a, middle(SPAN_B, back)

    cloud_a, cloud_b = leading(AHEAD)
    lead_a, lead_b = leading(0)
    return {
        "ichimoku_conversion": middle(CONVERSION),
        "ichimoku_base": middle(BASE),
        "ichimoku_cloud_a": cloud_a,
        "ichimoku_cloud_b": cloud_b,
        "ichimoku_lead_a": lead_a,
        "ichimoku_lead_b": lead_b,
        "ichimoku_lagging_against": float(run.close[-1 - AHEAD]) if bars > AHEAD else None,
    }


def _middle(high: Floats, low: Floats) -> float:
    return float((np.max(high) + np.min(low)) / 2)
