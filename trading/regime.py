"""The market regime, judged on closed 4-hour candles.

ADX14 over 25 with EMA20 moving more than 0.2 % over 5 bars: trending, in the direction it moves. Otherwise ATR14
over 1.5 × its own 20-bar mean: volatile. Otherwise ranging. Anything missing: unknown, never a guess.
"""

from trading.decision import Regime
from trading.snapshot import FrameIndicators

TREND_ADX = 25.0
TREND_SLOPE_PCT = 0.2
VOLATILE_ATR_RATIO = 1.5


def regime_of(four_hours: FrameIndicators | None) -> Regime:
    """Regime from the 4H frame; None or an unready indicator is unknown."""
    if four_hours is None:
        return Regime.UNKNOWN
    adx, slope = four_hours.adx14, four_hours.ema20_slope_pct
    atr, atr_mean = four_hours.atr14, four_hours.atr14_mean20
    if adx is None or slope is None or atr is None or atr_mean is None:
        return Regime.UNKNOWN
    if adx > TREND_ADX and slope > TREND_SLOPE_PCT:
        return Regime.TRENDING_UP
    if adx > TREND_ADX and slope < -TREND_SLOPE_PCT:
        return Regime.TRENDING_DOWN
    if atr > VOLATILE_ATR_RATIO * atr_mean:
        return Regime.VOLATILE
    return Regime.RANGING
