"""Ichimoku, volume profile, pivots and fractals against plain Python, and what they do without enough history."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from trading.candle import Candle
from trading.candle_series import CandleSeries
from trading.economic_calendar import EconomicEvent, next_event
from trading.ichimoku import ichimoku
from trading.indicators import frame_indicators
from trading.price_levels import daily_pivots, fractal_levels
from trading.volume_profile import BINS, volume_profile

DAY_MS = 86_400_000


def walk(bars: int, bar_ms: int = 300_000, bar: str = "5m", seed: int = 3) -> CandleSeries:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.003, bars)))
    opens = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    ts = 20_000 * DAY_MS + bar_ms * np.arange(bars, dtype=np.int64)
    return CandleSeries(bar, ts, opens, high, low, close, rng.uniform(1, 50, bars))


def middle(series: CandleSeries, end: int, window: int) -> float:
    highs, lows = series.high.tolist()[end - window : end], series.low.tolist()[end - window : end]
    return (max(highs) + min(lows)) / 2


def test_ichimoku_lines_are_the_middles_of_their_windows() -> None:
    series = walk(120)
    found = ichimoku(series)
    assert found["ichimoku_conversion"] == pytest.approx(middle(series, 120, 9))
    assert found["ichimoku_base"] == pytest.approx(middle(series, 120, 26))
    assert found["ichimoku_lead_a"] == pytest.approx((middle(series, 120, 9) + middle(series, 120, 26)) / 2)
    assert found["ichimoku_lead_b"] == pytest.approx(middle(series, 120, 52))
    # The cloud of today was computed 25 bars ago: bar 1 of its 26.
    assert found["ichimoku_cloud_a"] == pytest.approx((middle(series, 95, 9) + middle(series, 95, 26)) / 2)
    assert found["ichimoku_cloud_b"] == pytest.approx(middle(series, 95, 52))
    assert found["ichimoku_lagging_against"] == series.close[-26]


@pytest.mark.parametrize(
    "bars, missing",
    [
        (8, {"conversion", "base", "cloud_a", "cloud_b", "lead_a", "lead_b", "lagging_against"}),
        (25, {"base", "cloud_a", "cloud_b", "lead_a", "lead_b", "lagging_against"}),
        (26, {"cloud_a", "cloud_b", "lead_b"}),
        (52, {"cloud_b"}),
        (76, {"cloud_b"}),
        (77, set()),
    ],
)
def test_ichimoku_waits_for_its_history(bars: int, missing: set[str]) -> None:
    found = ichimoku(walk(bars))
    assert {name.removeprefix("ichimoku_") for name, value in found.items() if value is None} == missing


def test_volume_profile_matches_a_plain_loop() -> None:
    series = walk(400)
    rows = list(zip(series.high[-288:], series.low[-288:], series.volume[-288:], strict=True))
    bottom, top = min(low for _, low, _ in rows), max(high for high, _, _ in rows)
    step = (top - bottom) / BINS
    traded = [0.0] * BINS
    for high, low, volume in rows:
        for n in range(BINS):
            overlap = min(high, bottom + (n + 1) * step) - max(low, bottom + n * step)
            traded[n] += volume * max(overlap, 0.0) / (high - low)
    control = max(range(BINS), key=lambda n: traded[n])
    found = volume_profile(series)
    assert found is not None
    assert found.point_of_control == pytest.approx(bottom + (control + 0.5) * step)
    assert found.volume == pytest.approx(sum(volume for _, _, volume in rows))
    inside = [n for n in range(BINS) if found.value_area_low <= bottom + (n + 0.5) * step <= found.value_area_high]
    held = sum(traded[n] for n in inside)
    assert held >= 0.7 * sum(traded)
    assert held - min(traded[inside[0]], traded[inside[-1]]) < 0.7 * sum(traded) + max(traded)
    assert control in inside


def test_volume_profile_of_one_heavy_still_bar_is_that_price() -> None:
    series = walk(288)
    high, low, volume = series.high.copy(), series.low.copy(), series.volume.copy()
    price = float((high.max() + low.min()) / 2)
    high[100] = low[100] = price
    volume[100] = 1e9
    found = volume_profile(CandleSeries("5m", series.ts, series.open, high, low, series.close, volume))
    assert found is not None
    assert found.value_area_low <= price <= found.value_area_high
    assert abs(found.point_of_control - price) <= (high.max() - low.min()) / BINS


def test_volume_profile_needs_a_whole_day_and_trades() -> None:
    assert volume_profile(walk(287)) is None
    day = walk(288)
    nothing = CandleSeries("5m", day.ts, day.open, day.high, day.low, day.close, np.zeros(288))
    assert volume_profile(nothing) is None


def test_pivots_follow_the_published_formula() -> None:
    """Floor pivots of high 110, low 95, close 104: P 103, R1 111, S1 96, R2 118, S2 88."""
    bars = 30
    high, low, close = np.full(bars, 100.0), np.full(bars, 99.0), np.full(bars, 99.5)
    high[3], low[7], close[23] = 110.0, 95.0, 104.0
    high[25], low[26] = 500.0, 1.0  # the day that runs does not count
    ts = 20_000 * DAY_MS + 3_600_000 * np.arange(bars, dtype=np.int64)
    found = daily_pivots(CandleSeries("1H", ts, close, high, low, close, close))
    assert found is not None
    assert (found.pivot, found.r1, found.s1, found.r2, found.s2) == (103.0, 111.0, 96.0, 118.0, 88.0)


def test_pivots_need_every_bar_of_the_day_before() -> None:
    series = walk(48, 3_600_000, "1H")
    assert daily_pivots(series) is not None
    keep = np.arange(48) != 5
    names = ("ts", "open", "high", "low", "close", "volume")
    assert daily_pivots(CandleSeries("1H", *[getattr(series, name)[keep] for name in names])) is None
    assert daily_pivots(walk(20, 3_600_000, "1H")) is None


def test_fractals_become_levels_nearest_first_and_close_ones_are_one() -> None:
    high = np.array([10, 11, 15, 11, 10, 11, 15.2, 11, 10, 9, 12, 9, 8, 8.5, 9.0])
    low = high - 3
    close = np.full(len(high), 9.0)
    ts = 300_000 * np.arange(len(high), dtype=np.int64)
    series = CandleSeries("5m", ts, close, high, low, close, close)
    supports, resistances = fractal_levels(series, 1.0)
    # Highs 15 and 15.2 lie within a quarter of ATR; 12 stands alone; lows 7 (10 − 3) and 5 (8 − 3).
    assert resistances == (12.0, pytest.approx(15.1))
    assert supports == (7.0, 5.0)
    assert fractal_levels(series, None) == ((), ())


def test_a_frame_carries_the_levels() -> None:
    frame = frame_indicators(walk(300))
    assert frame.ichimoku_cloud_b is not None
    assert all(level < frame.close for level in frame.supports)
    assert all(level > frame.close for level in frame.resistances)
    assert list(frame.supports) == sorted(frame.supports, reverse=True)


def test_the_forming_bar_is_seen_only_by_who_asks() -> None:
    series = walk(60)
    ts = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(series.ts[-1]) + 300_000)
    forming = Candle("BTC-USDT-SWAP", "5m", ts, *[Decimal(200)] * 7, confirmed=False)
    assert CandleSeries.from_candles("5m", [forming]).close.tolist() == []
    asked = series.with_forming(forming)
    assert (len(asked), asked.close[-1]) == (61, 200.0)
    assert frame_indicators(asked).close == 200.0
    later = Candle("BTC-USDT-SWAP", "5m", ts + timedelta(minutes=5), *[Decimal(200)] * 7, confirmed=False)
    assert len(series.with_forming(later)) == 60


def event(day: int, name: str = "CPI") -> EconomicEvent:
    return EconomicEvent(name=name, at=datetime(2026, 12, day, 13, 30, tzinfo=UTC))


def test_the_next_event_is_the_first_not_past() -> None:
    events = [event(10), event(4, "NFP"), event(20)]
    now = datetime(2026, 12, 4, 13, 30, tzinfo=UTC)
    assert next_event(events, now).next_event == event(4, "NFP")
    assert next_event(events, now + timedelta(seconds=1)).next_event == event(10)


def test_a_kind_whose_last_date_is_past_is_named_though_others_are_ahead() -> None:
    view = next_event([event(10), event(4, "NFP"), event(1, "Retail Sales")], datetime(2026, 12, 5, tzinfo=UTC))
    assert view.next_event == event(10)
    assert view.problem == "the economic calendar is out of date: the last NFP was on 2026-12-04"


def test_a_calendar_without_events_ahead_says_so() -> None:
    view = next_event([event(10)], datetime(2027, 1, 1, tzinfo=UTC))
    assert view.next_event is None
    assert view.problem == "the economic calendar is out of date: the last CPI was on 2026-12-10"
    assert next_event([], datetime(2027, 1, 1, tzinfo=UTC)).problem == "the economic calendar is empty"
