"""Figures of performance, checked by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.performance import HOURS_PER_YEAR, Outcome, buy_and_hold, by_group, growth_pct, performance, reliability
from trading.statistics import sharpe, sortino

T0 = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def outcome(net, strategy="momentum", confidence="0.6", r=None, regime="ranging"):
    r_multiple = None if r is None else Decimal(r)
    return Outcome(Decimal(net), Decimal(-1), Decimal(0), r_multiple, strategy, regime, Decimal(confidence))


def test_figures_of_three_trades():
    equity = [Decimal(100), Decimal(120), Decimal(90)]
    found = performance([outcome("30", r="1.5"), outcome("-10", r="-1"), outcome("-5")], equity, equity)
    assert (found.trades.trades, found.net_pnl, found.fees) == (3, Decimal(15), Decimal(-3))
    assert (found.trades.profit_factor, found.trades.expectancy, found.trades.mean_r) == (2, 5, Decimal("0.25"))
    assert (found.max_drawdown_pct, found.return_pct) == (25, -10)


def test_ratios_rest_on_full_hours_and_need_a_day_of_them():
    hours = [Decimal(10000 + 3 * n + 7 * (n % 2)) for n in range(25)]
    found = performance([], hours, hours)
    assert (found.sharpe, found.sortino) == (sharpe(hours, HOURS_PER_YEAR), sortino(hours, HOURS_PER_YEAR))
    assert found.sharpe > 0
    assert performance([], hours, hours[:24]).sharpe is None


def test_nothing_is_defined_of_nothing():
    found = performance([], [], [])
    assert (found.trades.win_rate, found.sharpe, found.sortino, found.max_drawdown_pct, found.return_pct) == (None,) * 5
    assert (buy_and_hold({}), buy_and_hold({"a": {}}), reliability([]), by_group([], "strategy")) == ({}, {}, [], {})


def test_buy_and_hold_splits_evenly_at_the_first_common_time():
    closes = {
        "a": {T0: Decimal(10), T0 + HOUR: Decimal(20)},
        "b": {T0 - HOUR: Decimal(1), T0: Decimal(4), T0 + HOUR: Decimal(2), T0 + 2 * HOUR: Decimal(9)},
    }
    assert buy_and_hold(closes) == {T0: 1, T0 + HOUR: Decimal("1.25")}
    assert growth_pct(list(buy_and_hold(closes).values())) == 25
    assert buy_and_hold(closes | {"c": {}}) == {}


def test_groups_are_ordered_by_their_trades():
    groups = by_group([outcome("1", "a"), outcome("-1", "b"), outcome("2", "b")], "strategy")
    assert [(name, of.trades, of.win_rate) for name, of in groups.items()] == [("b", 2, Decimal("0.5")), ("a", 1, 1)]


def test_reliability_by_bins_the_last_one_closed():
    found = reliability(
        [outcome("1", confidence="1"), outcome("-1", confidence="0.8"), outcome("1", confidence="0.79")]
    )
    assert [(b.low, b.trades, b.stated, b.won) for b in found] == [
        (Decimal("0.6"), 1, Decimal("0.79"), 1), (Decimal("0.8"), 2, Decimal("0.9"), Decimal("0.5")),
    ]  # fmt: skip


@given(st.lists(st.decimals(0, 1, places=3).map(str)))
def test_every_confidence_is_in_exactly_one_bin(stated):
    assert sum(b.trades for b in reliability([outcome("1", confidence=c) for c in stated])) == len(stated)
