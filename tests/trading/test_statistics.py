"""Figures with an answer one can work out by hand, and None where there is none."""

import math
from decimal import Decimal

import pytest

from trading.statistics import (
    brier_score,
    max_drawdown_pct,
    profit_factor,
    r_multiple,
    sharpe,
    sortino,
    trade_statistics,
    win_rate,
)

D = Decimal


def test_statistics_of_four_trades() -> None:
    found = trade_statistics([D(30), D(-10), D(-10), D(20)], [D(3), D(-1), None, D(2)])
    assert (found.trades, found.win_rate, found.profit_factor) == (4, D("0.5"), D("2.5"))
    assert found.expectancy == D("7.5")
    assert found.mean_r == D(4) / 3


def test_a_trade_that_ends_at_zero_is_no_win() -> None:
    assert win_rate([D(0), D(1)]) == D("0.5")


def test_what_is_not_defined_is_none() -> None:
    nothing = trade_statistics([])
    assert (nothing.win_rate, nothing.profit_factor, nothing.expectancy, nothing.mean_r) == (None,) * 4
    assert profit_factor([D(5)]) is None
    assert max_drawdown_pct([D(5)]) is None
    assert sharpe([D(1), D(2)], 365) is None
    assert sharpe([D(1), D(2), D(4)], 365) is None  # no variation
    assert sortino([D(1), D(2), D(3)], 365) is None  # no downside
    assert sharpe([D(0), D(2), D(3)], 365) is None
    assert brier_score([], []) is None


@pytest.mark.parametrize("stop, expected", [("90", "-0.6"), ("110", "-0.6"), ("100", None)])
def test_r_is_profit_over_the_price_risk_at_entry(stop: str, expected: str | None) -> None:
    found = r_multiple(profit=D(-12), entry=D(100), stop_loss=D(stop), coins=D(2))
    assert found == (None if expected is None else D(expected))


def test_drawdown_is_from_the_peak_so_far() -> None:
    assert max_drawdown_pct([D(100), D(120), D(90), D(130), D(117)]) == D(25)
    assert max_drawdown_pct([D(100), D(110)]) == 0


def test_sharpe_and_sortino_by_hand() -> None:
    """Returns +10 %, −10 %, +10 %: mean 1/30, sample deviation 0.11547, downside deviation 0.1/√3."""
    equity = [D(100), D(110), D(99), D("108.9")]
    assert sharpe(equity, 4) == pytest.approx((0.1 / 3) / math.sqrt(0.04 / 3) * 2)
    assert sortino(equity, 4) == pytest.approx((0.1 / 3) / (0.1 / math.sqrt(3)) * 2)


def test_brier_score() -> None:
    assert brier_score([D("0.8"), D("0.6")], [True, False]) == D("0.2")
    assert brier_score([D("0.5")] * 2, [True, False]) == D("0.25")
    with pytest.raises(ValueError):
        brier_score([D("0.5")], [])
