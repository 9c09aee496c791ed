"""Market alerts: each limit, its unit, and what is no outlier."""

import pytest

from trading import market_alerts as alerts


@pytest.mark.parametrize("now, value", [(103.0, 3.0), (97.0, -3.0), (110.0, 10.0)])
def test_three_per_cent_in_an_hour(now: float, value: float) -> None:
    found = alerts.price_move(100.0, now)
    assert found is not None
    assert (found.value, found.unit) == (pytest.approx(value), "%")
    assert alerts.price_move(100.0, 100 + (now - 100) * 0.29 / abs(value) * 10) is None


@pytest.mark.parametrize(
    "rate, pct, limit",
    [(0.00051, 0.051, 0.05), (-0.00031, -0.031, -0.03), (0.003, 0.3, 0.05)],
)
def test_okx_sends_a_fraction_and_the_alert_is_in_per_cent(rate: float, pct: float, limit: float) -> None:
    found = alerts.funding(rate)
    assert found is not None
    assert (found.value, found.limit, found.unit) == (pytest.approx(pct), limit, "%")
    assert f"{pct:+.4f} %" in found.message


@pytest.mark.parametrize("rate", [0.0005, -0.0003, 0.0001, 0.0])
def test_usual_funding_is_no_news(rate: float) -> None:
    assert alerts.funding(rate) is None


def test_open_interest_by_a_tenth_in_four_hours() -> None:
    up, down = alerts.open_interest(1000, 1100.1), alerts.open_interest(1000, 899)
    assert up is not None
    assert down is not None
    assert (up.value, down.value) == (pytest.approx(10.01), pytest.approx(-10.1))
    assert alerts.open_interest(1000, 1099) is None
    assert alerts.open_interest(0, 100) is None


def test_volume_far_above_its_median_and_its_usual_spread() -> None:
    quiet = [100.0, 110.0, 90.0] * 16
    found = alerts.volume(quiet, 301)
    assert found is not None
    assert (found.value, found.unit) == (pytest.approx(3.01), "x")
    assert alerts.volume(quiet, 299) is None
    assert alerts.volume(quiet[:-1], 1000) is None
    # The same figure in a market whose volumes swing widely is nothing special.
    assert alerts.volume([10.0, 100.0, 190.0] * 16, 301) is None
    assert alerts.volume([0.0] * 48, 5) is None


def test_spread_above_its_usual_and_a_basis_point() -> None:
    found = alerts.spread([0.5] * 30, 2.6)
    assert found is not None
    assert (found.limit, found.unit) == (2.5, "bps")
    assert alerts.spread([0.5] * 30, 2.4) is None
    assert alerts.spread([0.02] * 30, 0.9) is None
    assert alerts.spread([0.5] * 29, 9) is None
