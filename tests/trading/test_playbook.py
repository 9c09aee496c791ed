"""The playbook's schema, its first version, its text and its differences."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from trading.decision import Regime
from trading.playbook import (
    Calibration,
    CalibrationCurve,
    Knot,
    Lesson,
    Playbook,
    PlaybookError,
    TimeFilter,
    default_playbook,
    diff,
    render,
)

D = Decimal
NOW = datetime(2026, 1, 5, tzinfo=UTC)


def test_it_survives_the_database() -> None:
    first = default_playbook()
    assert Playbook.model_validate(first.model_dump(mode="json")) == first


def test_the_first_version_knows_every_regime_and_stays_within_the_trade_limit() -> None:
    first = default_playbook()
    assert set(first.regimes) == set(Regime)
    assert first.strategies_for(Regime.UNKNOWN) == []
    for regime in Regime:
        for name, _ in first.strategies_for(regime):
            assert 0 < first.size_pct(name, regime) <= 5


def test_an_unknown_key_is_refused() -> None:
    content = default_playbook().model_dump(mode="json") | {"leverage": 50}
    with pytest.raises(ValidationError, match="leverage"):
        Playbook.model_validate(content)


def test_size_is_the_strategys_scaled_by_the_regime() -> None:
    first = default_playbook()
    assert first.size_pct("momentum", Regime.TRENDING_UP) == 5
    assert first.size_pct("momentum", Regime.VOLATILE) == D("2.5")
    with pytest.raises(PlaybookError, match="astrology"):
        first.size_pct("astrology", Regime.RANGING)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(PlaybookError, match="moon_phase"):
        default_playbook().strategies["momentum"].parameter("moon_phase")


def test_calibration_replaces_stated_confidence_once_there_are_enough_trades() -> None:
    knots = (Knot(stated=D("0.4"), won=D("0.3")), Knot(stated=D("0.8"), won=D("0.5")))
    curves = (
        CalibrationCurve(source="rules", trades=100, knots=knots),
        CalibrationCurve(source="opus", trades=99, knots=knots),
    )
    calibration = Calibration(min_trades=100, stated_cap=D("0.6"), curves=curves)
    assert [calibration.calibrated(D(p), "rules", NOW) for p in ("0.1", "0.4", "0.6", "0.8", "1")] == [
        D("0.3"), D("0.3"), D("0.4"), D("0.5"), D("0.5"),
    ]  # fmt: skip
    for too_few in ("opus", "nobody"):
        assert calibration.calibrated(D("0.55"), too_few, NOW) == D("0.55")
        assert calibration.calibrated(D("0.95"), too_few, NOW) == D("0.6")
    expired = curves[0].model_copy(update={"expires_at": NOW})
    assert Calibration(curves=(expired,)).calibrated(D("0.55"), "rules", NOW) == D("0.55")


def test_a_calibration_curve_rises() -> None:
    falling = (Knot(stated=D("0.4"), won=D("0.5")), Knot(stated=D("0.8"), won=D("0.4")))
    with pytest.raises(ValidationError, match="rise"):
        CalibrationCurve(source="rules", trades=100, knots=falling)


def test_a_time_filter_bars_its_hours_on_its_days() -> None:
    monday_night = TimeFilter(hours=(0, 1), weekdays=(0,), reason="thin book")
    book = default_playbook().model_copy(update={"time_filters": (monday_night,)})
    assert book.barred(datetime(2026, 1, 5, 1, 30, tzinfo=UTC)) == monday_night
    assert book.barred(datetime(2026, 1, 5, 2, 0, tzinfo=UTC)) is None
    assert book.barred(datetime(2026, 1, 6, 1, 30, tzinfo=UTC)) is None


def test_the_text_says_everything_and_is_stable() -> None:
    book = default_playbook().model_copy(
        update={
            "lessons": (Lesson(text="Do not chase.", trade_ids=(3, 8)),),
            "time_filters": (TimeFilter(hours=(0,), reason="settlement"),),
        }
    )
    text = render(book)
    assert text == render(Playbook.model_validate(book.model_dump(mode="json")))
    for name, rule in book.strategies.items():
        assert f"- {name}{'' if rule.enabled else ' [disabled]'}: " in text
    for name in book.regimes:
        assert f"- {name}: " in text
    assert "- Do not chase. (trades 3, 8)" in text
    assert "- hours 0 UTC: settlement" in text


def test_the_difference_of_two_versions_by_path() -> None:
    old = default_playbook()
    content = old.model_dump(mode="json")
    content["confidence_floor"] = "0.4"
    content["strategies"]["momentum"]["parameters"]["reward_risk"] = 2.0
    content["lessons"].append({"text": "New.", "trade_ids": [7]})
    changes = {c.path: (c.before, c.after) for c in diff(old, Playbook.model_validate(content))}
    assert changes == {
        "confidence_floor": ("0.35", "0.4"),
        "strategies.momentum.parameters.reward_risk": (1.65, 2.0),
        f"lessons.{len(old.lessons)}.text": (None, "New."),
        f"lessons.{len(old.lessons)}.trade_ids": (None, [7]),
        f"lessons.{len(old.lessons)}.renewals": (None, 0),
    }
    assert diff(old, old) == ()
