"""TA-Lib's figures against plain pandas and Python, and what is refused while history is short or broken."""

import numpy as np
import pandas as pd
import pytest

from trading.candle_series import CandleSeries
from trading.indicators import NoClosedCandles, frame_indicators

DAY_MS = 86_400_000
FIVE_MIN = 300_000


def walk(bars: int, seed: int = 1, start_ms: int = 20_000 * DAY_MS) -> CandleSeries:
    """A random walk of 5m bars from 00:00 UTC."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, bars)))
    opens = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opens, close) * (1 + rng.uniform(0, 0.001, bars))
    low = np.minimum(opens, close) * (1 - rng.uniform(0, 0.001, bars))
    ts = start_ms + FIVE_MIN * np.arange(bars, dtype=np.int64)
    return CandleSeries("5m", ts, opens, high, low, close, rng.uniform(1, 50, bars))


def part(series: CandleSeries, keep: slice | np.ndarray) -> CandleSeries:
    names = ("ts", "open", "high", "low", "close", "volume")
    return CandleSeries(series.bar, *[getattr(series, name)[keep] for name in names])


def ema(values: pd.Series, period: int) -> pd.Series:
    """Started from the simple mean of the first `period` values."""
    seeded = values.copy()
    seeded.iloc[: period - 1] = np.nan
    seeded.iloc[period - 1] = values.iloc[:period].mean()
    return seeded.iloc[period - 1 :].ewm(span=period, adjust=False).mean()


def wilder(values: pd.Series, period: int) -> pd.Series:
    """Wilder's average, started from the simple mean."""
    out = [values.iloc[:period].mean()]
    for value in values.iloc[period:]:
        out.append((out[-1] * (period - 1) + value) / period)
    return pd.Series(out, index=values.index[period - 1 :])


def rsi(close: pd.Series) -> pd.Series:
    change = close.diff().iloc[1:]
    gain, loss = wilder(change.clip(lower=0), 14), wilder(-change.clip(upper=0), 14)
    return 100 * gain / (gain + loss)


@pytest.fixture(scope="module")
def series() -> CandleSeries:
    return walk(700)


def test_averages_bands_and_momentum_match_pandas(series: CandleSeries) -> None:
    frame = frame_indicators(series)
    close = pd.Series(series.close)
    for period in (20, 50, 200):
        assert getattr(frame, f"ema{period}") == pytest.approx(ema(close, period).iloc[-1])
    ema20 = ema(close, 20)
    assert frame.ema20_slope_pct == pytest.approx((ema20.iloc[-1] / ema20.iloc[-6] - 1) * 100)
    assert frame.rsi14 == pytest.approx(rsi(close).iloc[-1])
    middle, spread = close.iloc[-20:].mean(), close.iloc[-20:].std(ddof=0)
    assert frame.bb_middle == pytest.approx(middle)
    assert frame.bb_upper == pytest.approx(middle + 2 * spread)
    assert frame.bb_lower == pytest.approx(middle - 2 * spread)
    macd = ema(close, 12) - ema(close, 26)
    signal = ema(macd.dropna(), 9)
    # The two start their fast average at different bars; after 700 bars nothing of that is left.
    assert frame.macd == pytest.approx(macd.iloc[-1], rel=1e-6)
    assert frame.macd_signal == pytest.approx(signal.iloc[-1], rel=1e-6)
    assert frame.macd_hist == pytest.approx(macd.iloc[-1] - signal.iloc[-1], rel=1e-6)
    assert frame.macd_hist_previous == pytest.approx(macd.iloc[-2] - signal.iloc[-2], rel=1e-6)


def test_ranges_and_trend_strength_match_plain_python(series: CandleSeries) -> None:
    frame = frame_indicators(series)
    high, low, close = (pd.Series(x) for x in (series.high, series.low, series.close))
    true_range = pd.concat([high - low, (high - close.shift()).abs(), (low - close.shift()).abs()], axis=1)
    atr = wilder(true_range.max(axis=1).iloc[1:], 14)
    assert frame.atr14 == pytest.approx(atr.iloc[-1])
    assert frame.atr14_mean20 == pytest.approx(atr.iloc[-20:].mean())
    up, down = high.diff(), -low.diff()
    plus = wilder(up.where((up > down) & (up > 0), 0.0).iloc[1:], 14) / atr
    minus = wilder(down.where((down > up) & (down > 0), 0.0).iloc[1:], 14) / atr
    adx = wilder((100 * (plus - minus).abs() / (plus + minus)).dropna(), 14)
    assert frame.adx14 == pytest.approx(adx.iloc[-1], rel=1e-6)
    assert frame.highest20 == max(series.high[-21:-1])
    assert frame.lowest20 == min(series.low[-21:-1])


def test_stochastic_of_rsi_is_smoothed_three_and_three(series: CandleSeries) -> None:
    frame = frame_indicators(series)
    strength = rsi(pd.Series(series.close))
    low, high = strength.rolling(14).min(), strength.rolling(14).max()
    k = (100 * (strength - low) / (high - low)).rolling(3).mean()
    assert frame.stochrsi_k == pytest.approx(k.iloc[-1])
    assert frame.stochrsi_d == pytest.approx(k.iloc[-3:].mean())


def test_volume_figures_match_plain_python(series: CandleSeries) -> None:
    frame = frame_indicators(series)
    today = [i for i, ts in enumerate(series.ts) if ts // DAY_MS == series.ts[-1] // DAY_MS]
    assert len(today) == 700 - 2 * 288
    typical = [(series.high[i] + series.low[i] + series.close[i]) / 3 for i in today]
    volumes = [series.volume[i] for i in today]
    weighted = sum(p * v for p, v in zip(typical, volumes, strict=True)) / sum(volumes)
    assert frame.vwap == pytest.approx(weighted)
    assert frame.volume_ratio == pytest.approx(series.volume[-1] / np.mean(series.volume[-20:]))
    moves = np.sign(np.diff(series.close)) * series.volume[1:]
    assert frame.obv == pytest.approx(series.volume[0] + moves.sum())


def test_the_last_closed_bar_is_named(series: CandleSeries) -> None:
    frame = frame_indicators(series)
    assert (frame.bar, frame.bars) == ("5m", 700)
    assert int(frame.ts.timestamp() * 1000) == series.ts[-1]
    assert (frame.close, frame.previous_close) == (series.close[-1], series.close[-2])


@pytest.mark.parametrize(
    "bars, ready, missing",
    [
        (1, {"close", "vwap"}, {"previous_close", "obv", "rsi14", "ema20", "bb_upper", "highest20"}),
        (20, {"bb_upper", "volume_ratio"}, {"highest20", "ema20", "rsi14"}),
        (39, {"highest20"}, {"ema20", "rsi14", "atr14", "adx14", "macd"}),
        # One week of history is 42 four-hour bars: enough for the regime.
        (42, {"ema20", "ema20_slope_pct", "rsi14", "atr14", "atr14_mean20", "adx14"}, {"ema50", "macd", "stochrsi_k"}),
        (100, {"ema50", "macd", "stochrsi_k", "stochrsi_d"}, {"ema200"}),
        (499, {"ema50"}, {"ema200"}),
        (500, {"ema200"}, set()),
    ],
)  # fmt: skip
def test_nothing_is_shown_before_it_is_warmed_up(bars: int, ready: set[str], missing: set[str]) -> None:
    frame = frame_indicators(walk(bars))
    assert {name for name in ready if getattr(frame, name) is None} == set()
    assert {name for name in missing if getattr(frame, name) is not None} == set()


def test_a_gap_starts_history_anew(series: CandleSeries) -> None:
    keep = np.ones(700, dtype=bool)
    keep[650] = False
    assert frame_indicators(part(series, keep)) == frame_indicators(part(series, slice(651, 700)))


def test_vwap_needs_the_start_of_its_day(series: CandleSeries) -> None:
    assert frame_indicators(part(series, slice(600, 700))).vwap is None


def test_a_market_that_does_not_trade_has_no_volume_figures() -> None:
    flat = walk(60)
    still = CandleSeries("5m", flat.ts, *[np.full(60, 100.0)] * 4, np.zeros(60))
    frame = frame_indicators(still)
    assert (frame.vwap, frame.volume_ratio) == (None, None)
    assert frame.atr14 == 0


def test_no_candles_is_an_error_not_a_frame(series: CandleSeries) -> None:
    with pytest.raises(NoClosedCandles):
        frame_indicators(part(series, slice(0, 0)))
