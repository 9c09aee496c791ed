"""Intervals, groups, calibration and excursions: against figures one can work out by hand."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.learning.conftest import START, trade
from trading import calibration
from trading.excursion import Bar, excursions
from trading.intervals import mean_interval, wilson
from trading.trade_groups import group_statistics, grouped

D = Decimal


def test_wilson_of_a_textbook_case_and_at_the_edges() -> None:
    """Ten of a hundred at 95 %: 0.0552 to 0.1744 (Newcombe 1998, table of Wilson scores)."""
    assert wilson(10, 100, 0.95) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert wilson(0, 10, 0.95) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10, 0.95) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) is None


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = random.Random(7)
    runs, covered = 200, 0
    for _ in range(runs):
        sample = [1.65 if rng.random() < 0.4 else -1.0 for _ in range(60)]
        interval = mean_interval(sample, 0.9)
        assert interval is not None
        covered += interval[0] <= 0.4 * 1.65 - 0.6 <= interval[1]
    assert 0.82 <= covered / runs <= 0.97
    assert mean_interval([1.0] * 4) is None
    assert mean_interval([-1.0, 1.0] * 10) == mean_interval([-1.0, 1.0] * 10)


def test_a_group_is_held_against_being_long() -> None:
    """Two longs that won what the market gave, less costs: no skill, whatever was earned."""
    found = group_statistics([trade(1, 1.4, hold_r=D("1.5")), trade(2, -1.1, hold_r=D(-1))])
    assert (found.trades, found.wins, found.mean_r) == (2, 1, 0.15)
    assert found.excess_r == pytest.approx(-0.1)
    assert found.net_pnl == D(3)
    assert found.mean_r_interval is None  # two trades have none
    nothing = group_statistics([])
    assert (nothing.win_rate, nothing.mean_r, nothing.profit_factor) == (None, None, None)


def test_trades_are_grouped_by_their_opening() -> None:
    late = START + timedelta(hours=22)  # a Monday
    found = grouped([trade(1, 1.0, at=late, opened_at=late - timedelta(hours=5)), trade(2, -1.0)])
    assert set(found["session"]) == {"america", "asia"}
    assert set(found["weekday"]) == {"monday"}
    assert set(found["holding time"]) == {"4 to 24 h", "under 1 h"}
    assert set(found["hour"]) == {"00", "17"}
    assert found["strategy and regime"]["momentum in ranging"].trades == 2
    assert set(found["confidence"]) == {"0.4 to 0.5"}


def test_murphys_terms_by_hand() -> None:
    """Said 0.2 twice (one won) and 0.8 twice (both won); all together three of four won."""
    found = calibration.report("x", [(D("0.2"), True), (D("0.2"), False), (D("0.8"), True), (D("0.8"), True)])
    assert (found.brier, found.reliability, found.resolution, found.uncertainty, found.within) == (
        0.19, 0.065, 0.0625, 0.1875, 0.0,
    )  # fmt: skip
    assert [(b.low, b.trades, b.won) for b in found.bins] == [(0.2, 2, 0.5), (0.8, 2, 1.0)]
    assert found.bins[0].won_interval[0] < 0.5 < found.bins[0].won_interval[1]
    assert found.walk_forward is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_murphys_terms_add_up_to_the_score(seed: int) -> None:
    rng = random.Random(seed)
    stated = [(D(str(round(rng.random(), 2))), rng.random() < 0.5) for _ in range(80)]
    found = calibration.report("x", stated)
    total = found.reliability - found.resolution + found.uncertainty + found.within
    assert total == pytest.approx(found.brier, abs=3e-4)


def overconfident(n: int, seed: int = 3) -> list[tuple[Decimal, bool]]:
    """States 0.5 to 0.9 and wins 0.3 to 0.5 of it: says the right order, by far too high."""
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        stated = rng.uniform(0.5, 0.9)
        found.append((D(f"{stated:.2f}"), rng.random() < stated / 2 + 0.05))
    return found


def test_an_overconfident_source_is_put_right_and_the_order_kept() -> None:
    curve = calibration.fit("x", overconfident(600))
    assert [float(curve.at(D(p))) for p in ("0.55", "0.7", "0.85")] == pytest.approx([0.325, 0.4, 0.475], abs=0.09)
    assert curve.at(D("0.5")) <= curve.at(D("0.7")) <= curve.at(D("0.9"))
    judged = calibration.walk_forward(overconfident(300))
    assert judged is not None
    assert judged[0] == 250
    assert judged[2] < judged[1]


def test_pool_adjacent_violators_by_hand() -> None:
    """Blocks of ten: 0.2, 0.6, 0.4, 0.8 won; the middle ones break the order and are pooled to 0.5."""
    stated = []
    for block, wins in enumerate((2, 6, 4, 8)):
        stated += [(D(f"0.{3 + block}"), number < wins) for number in range(10)]
    curve = calibration.fit("x", stated)
    assert [(knot.stated, knot.won) for knot in curve.knots] == [
        (D("0.3000"), D("0.2000")), (D("0.4500"), D("0.5000")), (D("0.6000"), D("0.8000")),
    ]  # fmt: skip


def test_no_curve_knows_the_trades_it_is_judged_on() -> None:
    """Turning the last outcomes round changes their score, not the curves they are judged by."""
    stated = overconfident(70)
    turned = stated[:50] + [(p, not won) for p, won in stated[50:]]
    curve = calibration.fit("", stated[:50])
    for history in (stated, turned):
        expected = sum((curve.at(p) - won) ** 2 for p, won in history[50:]) / 20
        found = calibration.walk_forward(history)
        assert found is not None
        assert found[2] == pytest.approx(float(expected), abs=1e-4)


def bars(*prices: tuple[int, int]) -> list[Bar]:
    return [Bar(START + timedelta(minutes=5 * n), D(high), D(low)) for n, (high, low) in enumerate(prices)]


def excursion(side: str = "long", **changed: object):  # type: ignore[no-untyped-def]
    values: dict[str, object] = {
        "side": side, "entry": D(100), "exit_px": D(101), "stop_loss": D(98) if side == "long" else D(102),
        "take_profit": D(104) if side == "long" else D(96), "opened_at": START + timedelta(minutes=2),
        "closed_at": START + timedelta(minutes=18), "bars": bars((110, 90), (103, 99), (102, 101), (120, 60)),
        "length": timedelta(minutes=5),
    }  # fmt: skip
    return excursions(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("side", "mfe", "mae"),
    # The bars of entry and exit hold 110 and 60: beyond target and stop, so the trade cannot have seen them.
    [("long", 2, -1), ("short", 2, -1.5)],
)
def test_excursions_count_what_stop_and_target_allow(side: str, mfe: float, mae: float) -> None:
    found = excursion(side)
    assert found is not None
    assert (float(found.mfe_r), found.bars) == (mfe, 4)
    assert float(found.mae_r) == mae


def test_excursions_inside_a_trade_are_what_the_candles_say() -> None:
    found = excursion(bars=bars((101, 99), (103, 99), (102, 101), (101, 100)))
    assert found is not None
    assert (found.mfe_r, found.mae_r) == (D("1.5"), D("-0.5"))


def test_without_whole_candles_nothing_is_said() -> None:
    gap = [bar for bar in bars((101, 99), (103, 99), (102, 101), (101, 100)) if bar.ts.minute != 10]
    assert excursion(bars=gap) is None
    assert excursion(bars=gap[:2]) is None
    assert excursion(bars=[]) is None
    assert excursion(stop_loss=D(100)) is None
