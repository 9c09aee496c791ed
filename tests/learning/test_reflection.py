"""A reflection as a whole: facts, a proposal by rules or by a model, its judgement, and the version it makes."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql

from brain.build import build_reflector
from brain.reflection import ReflectionResult
from brain.rules.reflection import RulesReflector
from execution import control
from execution.errors import Refused
from execution.playbook import records, ruling_version, write_version
from models import LlmCall
from pipeline import learning
from settings import load_settings
from standins import anthropic_api
from standins.anthropic_api import AnthropicStandin
from tests.learning.conftest import BTC, START
from tests.tasks.conftest import until
from trading.clock import wall_now
from trading.playbook import Playbook
from trading.playbook.patch import Patch, StrategySize

D = Decimal
H = timedelta(hours=1)
LOSING = [-1.0, -1.0, -1.0, 0.5] * 5


def reflect(school, reflector=None):
    return learning.reflect_if_due(school, reflector or RulesReflector())


# By rules.


def test_rules_size_a_losing_strategy_down_and_say_that_they_are_rules(school):
    ids = school.closes(LOSING)
    assert reflect(school) == "deep:first"
    (row,) = school.deep()
    assert row.outcome == "patched"
    assert "rules, not a model" in row.text
    first, second = school.versions()
    assert (first.active, second.active) == (False, True)
    assert (second.author, second.market_at) == ("reflection", school.clock.at)
    assert second.reason.startswith("rules: momentum: 20 trades, 5 won")
    assert second.evidence_trade_ids == ids
    assert school.playbook().strategies["momentum"].size_pct == 4
    assert {"path": "strategies.momentum.size_pct", "before": "5", "after": "4.00"} in second.diff
    assert row.playbook_version == 2
    assert row.patch["author"] == "rules"
    assert all(change["accepted"] for change in row.patch["changes"])
    # Both sizes multiply; the regime's went down as well, and what was learned is written down.
    assert school.playbook().regimes["ranging"].size_factor == D("0.64")
    assert {str(one.scope) for one in school.playbook().lessons if one.scope} == {
        "momentum in ranging", "long in ranging",
    }  # fmt: skip


def test_the_same_trades_are_not_held_against_it_twice(school):
    school.closes(LOSING)
    reflect(school)
    school.closes([-1.0] * 5, start=school.clock.at)
    school.clock.at += 7 * H
    assert reflect(school) is not None
    row = school.deep()[-1]
    assert school.playbook().strategies["momentum"].size_pct == 4
    assert not any(c["path"].endswith("size_pct") for c in row.patch["changes"])
    # The lesson is renewed: a newer trade says the same.
    assert [one.renewals for one in school.playbook().lessons if one.scope] == [1, 1]


def test_chance_teaches_nothing(school):
    school.closes([1.0, -1.0] * 10)
    reflect(school)
    (row,) = school.deep()
    assert (row.outcome, row.reason) == ("no_change", "nothing to change")
    assert "nothing beyond chance" in row.text
    assert len(school.versions()) == 1


def test_what_is_not_renewed_expires_with_a_later_window(school):
    school.closes(LOSING)
    reflect(school)
    school.clock.at += timedelta(days=15)
    school.closes([1.0], start=school.clock.at)
    school.clock.at += 6 * H
    assert reflect(school) is not None
    assert [one for one in school.playbook().lessons if one.scope] == []
    assert school.versions()[-1].reason == "rules: what had expired was dropped, calibration renewed"


def test_the_record_of_a_version_is_that_of_the_trades_opened_under_it(school):
    school.closes([1.0, -0.5])
    school.closes([2.0], start=START + 5 * H, playbook_version=2)
    with school.sessions() as session:
        found = records(session, school.account_id)
    assert (found[1].trades, found[1].wins, found[1].mean_r, found[1].net_pnl) == (2, 1, D("0.25"), D(5))
    assert (found[2].trades, found[2].net_pnl) == (1, D(20))


# What people do with it.


def test_a_rollback_serves_the_old_content_as_a_new_version(school):
    school.closes(LOSING)
    reflect(school)
    assert control.rollback_playbook(school.execution(), 1, actor="ada", channel="cli") == 3
    versions = school.versions()
    assert [v.active for v in versions] == [False, False, True]
    assert versions[2].content == versions[0].content
    assert {change["path"] for change in versions[2].diff} == {change["path"] for change in versions[1].diff}
    with pytest.raises(Refused, match="says what the active version 3 says"):
        control.rollback_playbook(school.execution(), 1, actor="ada", channel="cli")
    # The next window does not take the same trades for new evidence.
    school.close(-1.0, school.clock.at + H)
    school.clock.at += 7 * H
    reflect(school)
    assert school.playbook().strategies["momentum"].size_pct == 5


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("confidence_floor", "1.5", "confidence_floor: Input should be less than or equal to 1"),
        ("leverage", 50, "leverage: Extra inputs"),
        ("strategies.momentum.size_pct", "9", "over MAX_TRADE_MARGIN_PCT"),
        ("confidence_floor", "0.35", "nothing was changed"),
    ],
)
def test_a_persons_edit_is_checked(school, path, value, reason):
    with pytest.raises(Refused, match=reason):
        control.edit_playbook(school.execution(), changed(school, path, value), 1, actor="ada", channel="cli")
    assert len(school.versions()) == 1


def test_a_persons_edit_rules_at_once_unless_somebody_was_faster(school):
    text = changed(school, "confidence_floor", "0.4")
    assert control.edit_playbook(school.execution(), text, 1, actor="ada", channel="cli") == 2
    assert school.playbook().confidence_floor == D("0.4")
    assert school.versions()[1].reason == "edited by ada: confidence_floor"
    with pytest.raises(Refused, match="version 2 came into force while you edited version 1"):
        control.edit_playbook(school.execution(), text, 1, actor="bob", channel="cli")


def changed(school, path, value):
    content = school.playbook().model_dump(mode="json")
    *above, name = path.split(".")
    inner = content
    for part in above:
        inner = inner[part]
    inner[name] = value
    return json.dumps(content)


# By a model.


@pytest.fixture(scope="module")
def server() -> Iterator[AnthropicStandin]:
    import anthropic  # noqa: F401 - seconds on a busy machine

    with AnthropicStandin() as api:
        yield api


@pytest.fixture
def api(server):
    server.reset()
    return server


@pytest.fixture
def opus(school, api):
    settings = load_settings(
        {"ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url, "REFLECTION_BUDGET_S": "2"}, dotenv=False
    )
    school.settings = settings
    return build_reflector(settings, school.sessions, school.clock, school.account_id)


def proposing(*changes, summary="Momentum loses in a ranging market."):
    return lambda _: {"summary": summary, "changes": list(changes)}


def test_one_trade_is_one_and_nothing_said_is_not_introduced(school, opus, api):
    api.say = proposing(summary="")
    school.closes([1.0])
    window = control.ask_reflection(school.execution(), actor="ada", channel="cli")
    assert learning.reflect_asked(school, opus, int(window.rpartition(":")[2])) == window
    assert [row.text for row in school.deep()] == ["1 closed trade"]


def smaller(ids, size=4.0, **more):
    return {"kind": "strategy_size", "strategy": "momentum", "size_pct": size, "trade_ids": ids, "reason": "It loses.",
            **more}  # fmt: skip


def test_a_models_patch_is_judged_change_by_change(school, api, opus):
    ids = school.closes(LOSING)
    scope = {"strategy": "momentum", "regime": "ranging", "side": None, "hours": []}
    api.say = proposing(
        smaller(ids),
        smaller([*ids, 10**15], size=3.0),
        {"kind": "max_leverage", "value": 50, "trade_ids": ids, "reason": "More."},
        {"kind": "confidence_floor", "value": "high", "trade_ids": ids, "reason": "Safer."},
        {"kind": "lesson", "scope": scope, "stance": "avoid", "text": "Wait.", "trade_ids": ids, "reason": "It loses."},
    )
    assert reflect(school, opus) == "deep:first"
    (row,) = school.deep()
    assert row.outcome == "patched"
    assert [(c["accepted"], c["path"]) for c in row.patch["changes"]] == [
        (True, "strategies.momentum.size_pct"), (False, "strategies.momentum.size_pct"),
        (True, "lessons.momentum in ranging"),
    ]  # fmt: skip
    assert row.patch["unreadable"][0] == (
        "change 3: is of no kind a playbook knows; hard limits are settings, out of reach"
    )
    assert row.patch["unreadable"][1].startswith("change 4: confidence_floor.value: ")
    assert school.playbook().strategies["momentum"].size_pct == 4
    assert school.versions()[1].reason.startswith("claude-opus-5-5: It loses.")
    with school.sessions() as session:
        call = session.scalars(select(LlmCall)).one()
    assert (call.purpose, call.outcome, call.id) == ("reflect", "ok", row.llm_call_id)
    assert call.cost_usd > 0


def test_the_model_is_shown_figures_trades_and_what_was_refused(school, api, opus):
    ids = school.closes(LOSING)
    api.say = proposing(smaller([1]))
    reflect(school, opus)
    assert school.deep()[0].outcome == "refused"
    school.close(-1.0, school.clock.at + H)
    school.clock.at += 7 * H
    reflect(school, opus)
    first, second = (request["messages"][0]["content"] for request in api.requests)
    assert "momentum in ranging | 20 | 0.25 |" in first
    assert f"{ids[0]} | 05-01 23:40 | {BTC} | long | momentum | ranging | 0.40 | -1.00 | -1.00 | -10.00 | v1" in first
    assert "rules: 20 trades, Brier score" in first
    assert "# What was refused last time\nnone" in first
    assert "strategies.momentum.size_pct: there is no closed trade 1" in second


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (anthropic_api.HANG, "opus timeout: no answer within the deadline of 2 s"),
        (anthropic_api.REFUSAL, "opus refusal: the model refused"),
        (anthropic_api.MAX_TOKENS, "opus truncated"),
        (anthropic_api.saying('{"summary": 5, "changes": []}'), "opus invalid: a patch is a summary"),
        (anthropic_api.saying('{"summary": "x", "changes": [], "max_leverage": 9}'), "nothing else"),
    ],
)
def test_a_failed_reflection_leaves_the_playbook_and_the_next_window_tries_again(school, api, opus, fault, reason):
    ids = school.closes(LOSING)
    api.faults.append(fault)
    assert reflect(school, opus) == "deep:first"
    (row,) = school.deep()
    assert row.outcome == "failed"
    assert reason in row.reason
    assert len(school.versions()) == 1
    assert row.statistics["all"]["all"]["trades"] == 20
    assert reflect(school, opus) is None  # this window is over
    api.reset()
    api.say = proposing(smaller(ids))
    school.close(-1.0, school.clock.at + H)
    school.clock.at += 7 * H
    reflect(school, opus)
    assert [r.outcome for r in school.deep()] == ["failed", "patched"]


def test_a_spent_budget_is_a_failed_reflection(school, api, opus):
    school.closes(LOSING)
    with school.sessions.begin() as session:
        session.add(
            LlmCall(
                account_id=school.account_id, purpose="decide", provider="anthropic", model="claude-opus-5-5",
                prompt_version="x", request_sha256="", request={}, reserved_usd=D(10), created_at=wall_now(),
            )
        )  # fmt: skip
    reflect(school, opus)
    assert school.deep()[0].reason.startswith("model budget spent")
    assert api.requests == []


def test_a_patch_is_judged_on_what_rules_when_the_answer_comes(school, api, opus):
    """Somebody edits the playbook while the model thinks: the size it names is no longer within a step."""
    ids = school.closes(LOSING)

    def think(_):
        text = changed(school, "strategies.momentum.size_pct", "2")
        control.edit_playbook(school.execution(), text, 1, actor="ada", channel="cli")
        return {"summary": "It loses.", "changes": [smaller(ids)]}

    api.say = think
    reflect(school, opus)
    (row,) = school.deep()
    assert (row.outcome, row.playbook_version) == ("refused", 2)
    assert "moves by at most 25% at once, from 2" in row.reason
    assert school.playbook().strategies["momentum"].size_pct == 2


def test_two_reflections_at_once_do_not_use_the_same_trades_twice(school):
    """Both are asked before either has answered: the second is judged by what the first has made of it."""
    ids = school.closes(LOSING)
    both = Barrier(2, timeout=60)

    class Thinks:
        name = "thinks"

        def reflect(self, request):
            size = D("4") if both.wait() else D("3.75")
            change = StrategySize(strategy="momentum", size_pct=size, trade_ids=tuple(ids), reason="It loses.")
            return ReflectionResult(Patch(summary="It loses.", changes=(change,)), "")

    wishes = [control.ask_reflection(school.execution(), actor="ada", channel="cli") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda wish: learning.reflect_asked(school, Thinks(), int(wish.rpartition(":")[2])), wishes))
    assert sorted(row.outcome for row in school.deep()) == ["patched", "refused"]
    assert [v.author for v in school.versions()] == ["default", "reflection"]
    assert "20 of them used before" in next(row.reason for row in school.deep() if row.outcome == "refused")


def test_whoever_waited_for_another_version_finds_it(school):
    """Two people at once: the second, made to wait for the first, is told the truth and not that there is nothing."""
    with school.sessions.begin() as first, ThreadPoolExecutor(1) as pool:
        ruling_version(first, school.account_id)
        text = changed(school, "confidence_floor", "0.4")
        second = pool.submit(
            control.edit_playbook, school.execution(), text, 1, actor="bob", channel="cli"
        )  # fmt: skip
        until(lambda: waiting_for_a_lock(school))
        write_version(first, school.account_id, Playbook.model_validate_json(text), author="operator", reason="ada's",
                      market_at=None)  # fmt: skip
        first.commit()
        with pytest.raises(Refused, match="version 2 came into force while you edited version 1"):
            second.result()


def waiting_for_a_lock(school):
    with school.sessions() as session:
        return session.scalar(
            sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        )


def test_a_reflector_that_breaks_is_a_failed_reflection_not_a_loop(school):
    class Broken:
        name = "broken"

        def reflect(self, request):
            raise ZeroDivisionError("a bug")

    school.closes(LOSING)
    assert reflect(school, Broken()) == "deep:first"
    assert school.deep()[0].reason == "ZeroDivisionError: a bug"
    assert reflect(school, Broken()) is None


# Calibration.


def test_a_curve_comes_into_force_with_enough_trades_and_is_a_version(school):
    school.closes([1.0, -1.0, -1.0] * 33, every_min=1)
    while reflect(school):
        pass
    assert school.playbook().calibration.curves == ()
    school.closes([-1.0], start=school.clock.at)
    school.clock.at += 6 * H
    reflect(school)
    (curve,) = school.playbook().calibration.curves
    assert (curve.source, curve.trades) == ("rules", 100)
    assert [knot.won for knot in curve.knots] == [D("0.3300")]
    assert curve.expires_at > school.clock.at
    before = len(school.versions())
    # One more trade moves nothing worth a version.
    school.closes([-1.0], start=school.clock.at)
    school.clock.at += 6 * H
    reflect(school)
    assert [v.author for v in school.versions()[before:]] in ([], ["reflection"])
    assert school.playbook().calibration.curves == (curve,)
