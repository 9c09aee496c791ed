"""Indicators of one timeframe on closed candles, through TA-Lib.

Contract: only closed bars, only the unbroken run after the last gap; a value that is not warmed up, not finite or
not defined (no volume, a flat market) is None. Units: prices in USDT, slopes in per cent, oscillators 0…100.

Warm-up: TA-Lib starts an EMA from the simple mean of its first `period` bars. EMA20 and EMA50 are shown from
2 × period bars, where that start weighs under 14 % (one week of 5m candles is 42 four-hour bars, and the regime
rests on EMA20 of those); EMA200 from 500 bars, where it weighs 5 %. Wilder's averages (RSI, ATR, ADX) are
shown from 40 bars. MACD(12, 26, 9) from 60, StochRSI from 50.

StochRSI is the usual (14, 14, 3, 3): %K is the 3-bar mean of the raw stochastic of RSI14, %D the 3-bar mean of %K.
OBV counts from the first bar given, so only its changes mean something. VWAP is of the session: from 00:00 UTC of
the last closed bar's day, typical price weighted by volume.
"""

import math

import numpy as np
import talib

from trading.candle_series import CandleSeries, Floats
from trading.clock import from_ms
from trading.ichimoku import ichimoku
from trading.price_levels import fractal_levels
from trading.snapshot import FrameIndicators

DAY_MS = 86_400_000
WILDER_BARS = 40
EMA_BARS = {20: 40, 50: 100, 200: 500}
MACD_BARS = 60
STOCHRSI_BARS = 50
SLOPE_BARS = 5
RANGE_BARS = 20


class NoClosedCandles(ValueError):
    """There is not one closed candle to look at."""


def frame_indicators(series: CandleSeries) -> FrameIndicators:
    """All indicators at the last closed bar of `series`. Raises NoClosedCandles when it is empty."""
    run = series.since_last_gap()
    bars = len(run)
    if bars == 0:
        raise NoClosedCandles(f"no closed {series.bar} candles")
    close, high, low, volume = run.close, run.high, run.low, run.volume
    values: dict[str, float | None] = {}

    for period, needed in EMA_BARS.items():
        if bars >= needed:
            ema = talib.EMA(close, period)
            values[f"ema{period}"] = _at(ema)
            if period == 20:
                values["ema20_slope_pct"] = _change_pct(ema, SLOPE_BARS)
    if bars >= WILDER_BARS:
        values["rsi14"] = _at(talib.RSI(close, 14))
        values["adx14"] = _at(talib.ADX(high, low, close, 14))
        atr = talib.ATR(high, low, close, 14)
        values["atr14"] = _at(atr)
        values["atr14_mean20"] = _number(float(np.mean(atr[-20:])))
    if bars >= MACD_BARS:
        macd, signal, hist = talib.MACD(close, 12, 26, 9)
        values |= {"macd": _at(macd), "macd_signal": _at(signal), "macd_hist": _at(hist)}
        values["macd_hist_previous"] = _at(hist, 2)
    if bars >= STOCHRSI_BARS:
        _, k = talib.STOCHRSI(close, 14, 14, 3)
        values |= {"stochrsi_k": _at(k), "stochrsi_d": _number(float(np.mean(k[-3:])))}
    if bars >= RANGE_BARS:
        upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
        values |= {"bb_upper": _at(upper), "bb_middle": _at(middle), "bb_lower": _at(lower)}
        mean_volume = float(np.mean(volume[-RANGE_BARS:]))
        values["volume_ratio"] = _number(float(volume[-1]) / mean_volume) if mean_volume > 0 else None
    if bars > RANGE_BARS:
        values["highest20"] = _number(float(np.max(high[-RANGE_BARS - 1 : -1])))
        values["lowest20"] = _number(float(np.min(low[-RANGE_BARS - 1 : -1])))
    if bars > 1:
        values["previous_close"] = _at(close, 2)
        values["obv"] = _at(talib.OBV(close, volume))

    supports, resistances = fractal_levels(run, values.get("atr14"))

    return FrameIndicators(
        bar=run.bar,
        ts=from_ms(int(run.ts[-1])),
        bars=bars,
        close=float(close[-1]),
        vwap=session_vwap(run),
        supports=supports,
        resistances=resistances,
        **values,
        **ichimoku(run),
    )


def session_vwap(run: CandleSeries) -> float | None:
    """Volume-weighted typical price since 00:00 UTC of the last bar's day; None if the session's start is missing."""
    day_start = int(run.ts[-1]) // DAY_MS * DAY_MS
    first = int(np.searchsorted(run.ts, day_start))
    if int(run.ts[first]) != day_start:
        return None
    volume = run.volume[first:]
    total = float(np.sum(volume))
    if total <= 0:
        return None
    typical = (run.high[first:] + run.low[first:] + run.close[first:]) / 3
    return _number(float(np.dot(typical, volume)) / total)


def _at(values: Floats, back: int = 1) -> float | None:
    return _number(float(values[-back]))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _change_pct(values: Floats, bars: int) -> float | None:
    before, now = float(values[-1 - bars]), float(values[-1])
    return _number((now / before - 1) * 100) if before > 0 else None
