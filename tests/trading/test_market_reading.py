"""Candle series, regime, correlation and invalidation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from trading.candle import Candle
from trading.candle_series import CandleSeries
from trading.correlation import return_correlation
from trading.decision import Invalidation, Regime
from trading.invalidation import describe, is_invalidated
from trading.regime import regime_of
from trading.snapshot import FrameIndicators

T0 = datetime(2026, 1, 5, tzinfo=UTC)


def candle(index: int, close: str, *, confirmed: bool = True, bar: str = "5m") -> Candle:
    price = Decimal(close)
    return Candle(
        inst_id="BTC-USDT-SWAP",
        bar=bar,
        ts=T0 + timedelta(minutes=5 * index),
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        vol_contracts=Decimal(100),
        vol_coins=Decimal(1),
        vol_quote=price,
        confirmed=confirmed,
    )


def series(closes: list[float], start: int = 0) -> CandleSeries:
    values = np.array(closes)
    ts = (start + np.arange(len(closes), dtype=np.int64)) * 300_000
    return CandleSeries("5m", ts, values, values, values, values, values)


def test_only_closed_candles_count_each_once_in_order() -> None:
    run = CandleSeries.from_candles(
        "5m",
        [
            candle(1, "101"),
            candle(0, "100"),
            candle(1, "102"),
            candle(2, "103", confirmed=False),
            candle(3, "9", bar="15m"),
        ],
    )
    assert run.close.tolist() == [100.0, 102.0]
    assert run.volume.tolist() == [1.0, 1.0]


def test_change_needs_unbroken_history() -> None:
    run = CandleSeries.from_candles("5m", [candle(i, str(100 + i)) for i in range(13)])
    assert run.change_pct(12) == pytest.approx(12.0)
    assert run.change_pct(13) is None
    broken = CandleSeries.from_candles("5m", [candle(i, "100") for i in range(14) if i != 5])
    assert broken.change_pct(12) is None


def frame(**values: float | None) -> FrameIndicators:
    return FrameIndicators(bar="4H", ts=T0, bars=100, close=100.0, **values)  # type: ignore[arg-type]


REGIMES = [
    (Regime.TRENDING_UP, 26.0, 0.21, 1.0),
    (Regime.TRENDING_DOWN, 26.0, -0.21, 1.0),
    (Regime.TRENDING_UP, 26.0, 0.21, 1.6),  # a trend outranks volatility
    (Regime.VOLATILE, 26.0, 0.2, 1.6),
    (Regime.VOLATILE, 25.0, 0.5, 1.51),
    (Regime.RANGING, 25.0, 0.5, 1.5),
    (Regime.RANGING, 10.0, 0.0, 1.0),
]


@pytest.mark.parametrize("regime, adx, slope, widening", REGIMES)
def test_regime_of_a_four_hour_frame(regime: Regime, adx: float, slope: float, widening: float) -> None:
    seen = frame(adx14=adx, ema20_slope_pct=slope, atr14=widening * 2, atr14_mean20=2.0)
    assert regime_of(seen) is regime


@pytest.mark.parametrize("gone", ["adx14", "ema20_slope_pct", "atr14", "atr14_mean20"])
def test_regime_is_unknown_while_anything_is_missing(gone: str) -> None:
    values: dict[str, float | None] = {"adx14": 30.0, "ema20_slope_pct": 1.0, "atr14": 1.0, "atr14_mean20": 1.0}
    assert regime_of(frame(**values)) is Regime.TRENDING_UP
    assert regime_of(frame(**values | {gone: None})) is Regime.UNKNOWN
    assert regime_of(None) is Regime.UNKNOWN


def prices(seed: int, bars: int = 80) -> list[float]:
    return (100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, bars)))).tolist()


def test_correlation_of_a_series_with_itself_and_its_mirror() -> None:
    one = prices(1)
    assert return_correlation(series(one), series([5 * p for p in one])) == pytest.approx(1)
    assert return_correlation(series(one), series([1 / p for p in one])) == pytest.approx(-1)


def test_correlation_matches_the_definition_over_the_shared_bars() -> None:
    one, other = prices(1, 100), prices(2, 90)
    found = return_correlation(series(one), series(other, start=20))
    expected = np.corrcoef(np.diff(np.log(one[20:])), np.diff(np.log(other[:80])))[0, 1]
    assert found == pytest.approx(expected)


def test_correlation_needs_sixty_common_returns() -> None:
    assert return_correlation(series(prices(1, 61)), series(prices(2, 61))) is not None
    assert return_correlation(series(prices(1, 60)), series(prices(2, 60))) is None


def test_correlation_leaves_out_returns_across_a_gap() -> None:
    """100 shared bars, every second one missing: not one return is left."""
    whole = series(prices(1, 200))
    every_second = CandleSeries(
        "5m", *[getattr(whole, n)[::2] for n in ("ts", "open", "high", "low", "close", "volume")]
    )
    assert return_correlation(whole, every_second) is None


def test_correlation_with_a_market_that_stands_still_is_not_known() -> None:
    assert return_correlation(series(prices(1)), series([100.0] * 80)) is None


def test_correlation_of_different_bars_is_a_mistake() -> None:
    with pytest.raises(ValueError):
        return_correlation(series(prices(1)), replace(series(prices(1)), bar="15m"))


@pytest.mark.parametrize(
    "comparison, level, expected",
    [("below", "40.5", True), ("below", "40", False), ("above", "40", False), ("above", "39.9", True)],
)
def test_an_invalidation_is_true_strictly_beyond_its_level(comparison: str, level: str, expected: bool) -> None:
    condition = Invalidation.model_validate(
        {"indicator": "rsi14", "timeframe": "15m", "comparison": comparison, "level": level}
    )
    assert is_invalidated(condition, {"15m": frame(rsi14=40.0)}) is expected
    assert describe(condition) == f"15m rsi14 {comparison} {level}"


def test_an_invalidation_on_what_is_not_there_cannot_be_known() -> None:
    condition = Invalidation(indicator="rsi14", timeframe="15m", comparison="below", level=Decimal(40))
    assert is_invalidated(condition, {}) is None
    assert is_invalidated(condition, {"15m": frame(), "5m": frame(rsi14=1.0)}) is None
