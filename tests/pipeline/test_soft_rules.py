"""The playbook's own rules in the gate: applied by code after the analyst has spoken, whatever it says."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from models import DecisionCycle, LlmCall, Order, PlaybookVersion
from trading.clock import wall_now
from trading.decision import Action
from trading.playbook import CalibrationCurve, Knot, default_playbook

D = Decimal


def ruled_by(desk, **changed):
    """The playbook in force, with these fields of its content changed."""
    content = default_playbook().model_dump(mode="json")
    for path, value in changed.items():
        *above, name = path.split("__")
        inner = content
        for part in above:
            inner = inner[part]
        inner[name] = value
    with desk.bot.sessions.begin() as session:
        session.execute(update(PlaybookVersion).values(content=content))


def judged(desk, confidence="0.7", **decision):
    cycle_id = desk.decided(Action.OPEN_LONG)
    stored = desk.row(cycle_id).decision | {"confidence": confidence} | decision
    desk.change(cycle_id, decision=stored)
    desk.advance(cycle_id)
    return desk.verdict(cycle_id)


def check(verdict, name):
    return next(one for one in verdict.checks if one["name"] == name)


def test_a_decision_within_the_playbook_passes(desk):
    verdict = judged(desk)
    assert verdict.approved
    assert check(verdict, "playbook_size")["limit"] == "4 % of equity for momentum in ranging"
    assert check(verdict, "confidence")["effect"] == "pass"
    assert verdict.given["soft"]["basis"] == "stated 0.7, capped at 0.6"


@pytest.mark.parametrize(
    ("rules", "decision", "name", "reason"),
    [
        ({"strategies__momentum__enabled": False}, {}, "playbook_size", "momentum is disabled"),
        ({"strategies__momentum__regimes": ["volatile"]}, {}, "playbook_size", "not for a ranging market"),
        ({}, {"strategy": "astrology"}, "playbook_size", "no strategy astrology"),
        ({"regimes__ranging__directions": ["short"]}, {}, "playbook_size", "no long in a ranging market"),
        ({"regimes__ranging__size_factor": "0"}, {}, "playbook_size", "sizes it at zero"),
        ({"time_filters": [{"hours": list(range(24)), "reason": "always"}]}, {}, "playbook_hours", "always"),
        ({}, {"confidence": "0.34"}, "confidence", "under the playbook's floor"),
        ({"confidence_floor": "0.65"}, {"confidence": "0.99"}, "confidence", "under the playbook's floor"),
    ],
)
def test_what_the_playbook_forbids_is_refused(desk, rules, decision, name, reason):
    ruled_by(desk, **rules)
    verdict = judged(desk, **decision)
    assert verdict.refused_by == [name]
    assert reason in check(verdict, name)["reason"]


def test_sizes_are_cut_to_the_playbooks_and_by_confidence(desk):
    full = judged(desk).contracts
    for rules, confidence, left in (
        ({"strategies__momentum__size_pct": "1.25"}, "0.7", "0.5"),  # × 0.8 in a ranging market: half of 2 %
        ({"full_size_confidence": "1"}, "0.4", "0.8"),  # of the playbook's 4 %
    ):
        ruled_by(desk, **rules)
        with desk.bot.sessions.begin() as session:
            # The oldest first: no two of an instrument may share a slot, not even for a moment.
            for cycle in session.scalars(select(DecisionCycle).order_by(DecisionCycle.slot)):
                cycle.slot -= timedelta(days=1)
                session.flush()
            session.execute(update(Order).values(state="canceled"))
        verdict = judged(desk, confidence)
        assert verdict.contracts / full == pytest.approx(D(left), rel=D("0.02"))
        assert verdict.effect == "cut"


def test_a_calibrated_model_is_sized_by_what_its_word_was_worth(desk):
    """It says 0.7 and wins three of ten: under the floor, whatever it says. Another prompt version starts anew."""
    source = "claude-opus-5-5 decide-9"
    curve = CalibrationCurve(
        source=source, trades=100, knots=(Knot(stated=D("0.5"), won=D("0.2")), Knot(stated=D("0.7"), won=D("0.3")))
    )
    ruled_by(desk, calibration__curves=[curve.model_dump(mode="json")])
    cycle_id = desk.decided(Action.OPEN_LONG, analyst="claude")
    with desk.bot.sessions.begin() as session:
        session.add(
            LlmCall(
                account_id=desk.bot.ctx.account_id, cycle_id=cycle_id, purpose="decide", provider="anthropic",
                model="claude-opus-5-5", prompt_version="decide-9", request_sha256="", request={}, outcome="ok",
                reserved_usd=D(0), cost_usd=D(0), created_at=wall_now(),
            )
        )  # fmt: skip
    desk.advance(cycle_id)
    verdict = desk.verdict(cycle_id)
    assert verdict.refused_by == ["confidence"]
    assert verdict.given["soft"]["basis"] == "stated 0.7, calibrated on 100 trades"
    assert check(verdict, "confidence")["value"].startswith("0.3 ")
