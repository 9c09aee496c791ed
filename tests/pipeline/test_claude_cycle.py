"""Cycles decided by Claude: real SDKs against stand-ins, real database, real paper exchange. And what is done with them
afterwards: replayed, run otherwise.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from brain.build import build_analyst, build_researcher, build_screener
from brain.replay import ReplayMiss
from execution.submit import submit
from models import Alert, DecisionCycle, LlmCall, Order, PlaybookVersion, ScreenerLog
from pipeline import replay as command
from pipeline import replaying
from pipeline.handover import order_was_handled
from pipeline.occasions import find_occasions, news_due
from standins import anthropic_api as api
from standins import minds
from standins.anthropic_api import AnthropicStandin
from standins.perplexity_api import PerplexityStandin
from tests.pipeline.conftest import BTC, Desk
from trading.decision import Action
from trading.economic_calendar import CalendarView, EconomicEvent
from trading.playbook import Lesson
from trading.playbook.content import Scope

REASON = "the test wants a position"


def long_at(body: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A long, or Haiku's signal: stop 1 % and target 3 % from the price in the prompt."""
    if "signal" in body["output_config"]["format"]["schema"]["properties"]:
        return {"signal": True, "confidence": 0.8, "reason": "a break of the range"}
    if "facts" in body["output_config"]["format"]["schema"]["properties"]:
        fact = {"statement": "CPI fell.", "kind": "reported", "direction": "up", "at": None, "source": 1}
        return {"facts": [fact], "instructions_found": False}
    last = float(re.search(r"\nLast ([\d.]+)", minds.said_to(body))[1])  # type: ignore[index]
    return minds.minimal(body["output_config"]["format"]["schema"]) | {
        "action": "OPEN_LONG", "inst_id": BTC, "size_pct": 2, "stop_loss": round(last * 0.99, 1),
        "take_profit": round(last * 1.03, 1), "confidence": 0.7, "strategy": "momentum", "regime": "ranging",
        "reasoning": REASON,
        "invalidation": {"indicator": "close", "timeframe": "1H", "comparison": "below", "level": 1},
        **changed,
    }  # fmt: skip


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[AnthropicStandin, PerplexityStandin]]:
    with AnthropicStandin() as anthropic, PerplexityStandin() as perplexity:
        yield anthropic, perplexity


@pytest.fixture
def anthropic(servers: tuple[AnthropicStandin, PerplexityStandin]) -> AnthropicStandin:
    servers[0].reset()
    servers[0].say = long_at
    return servers[0]


@pytest.fixture
def claude(desk: Desk, anthropic: AnthropicStandin, servers: tuple[AnthropicStandin, PerplexityStandin]) -> Desk:
    """The desk with models in the place of the rules."""
    settings = desk.ctx.settings.model_copy(
        update={
            "analyst": "claude", "anthropic_api_key": SecretStr(anthropic.key), "anthropic_base_url": anthropic.url,
            "perplexity_api_key": SecretStr("pplx-standin"), "perplexity_base_url": servers[1].url,
            "opus_budget_s": 3.0, "haiku_audit_pct": Decimal(0),
        }
    )  # fmt: skip
    on = desk.ctx.execution
    parts = (settings, on.sessions, on.clock, on.account_id)
    models = {
        "analyst": build_analyst(*parts),
        "screener": build_screener(*parts),
        "researcher": build_researcher(*parts),
    }
    return replace(desk, ctx=replace(desk.ctx, settings=settings, **models))


def run(desk: Desk, **columns: Any) -> DecisionCycle:
    """A cycle through all its queues, its order executed."""
    desk.market.speaks()
    cycle_id = desk.cycle(**{"analyst": "claude"} | columns)
    desk.advance(cycle_id, "cycle")
    # Too few 4H candles for a regime: the playbook would allow nothing.
    snapshot = desk.row(cycle_id).snapshot
    assert snapshot is not None
    desk.change(cycle_id, snapshot=snapshot | {"market": snapshot["market"] | {"regime": "ranging"}})
    for queue in ("haiku", "perplexity", "opus", "cycle"):
        desk.advance(cycle_id, queue)
    if desk.row(cycle_id).stage == "execute":
        with desk.bot.sessions() as session:
            order_id = session.scalars(select(Order.id).where(Order.cycle_id == cycle_id)).one()
        submit(desk.bot.ctx, order_id)
        order_was_handled(desk.bot.ctx, order_id)
        desk.bot.look()
        desk.advance(cycle_id, "account")
        desk.advance(cycle_id, "cycle")
    return desk.row(cycle_id)


def later(desk: Desk, cycle: DecisionCycle, minutes: int = 5) -> None:
    """Put a cycle that has ended so far back, so that the next stands after it."""
    desk.change(cycle.id, slot=cycle.slot - timedelta(minutes=minutes))


def rows(desk: Desk, table: Any) -> list[Any]:
    with desk.bot.sessions() as session:
        return list(session.scalars(select(table).order_by(table.id)))


def test_a_decision_of_opus_is_screened_gated_filled_and_replayed(
    claude: Desk, anthropic: AnthropicStandin, capsys: pytest.CaptureFixture[str]
) -> None:
    cycle = run(claude)
    assert (cycle.stage, cycle.outcome, anthropic.refused) == ("done", "opened", [])
    assert claude.stages(cycle.id)[:4] == ["collect", "screen", "analyze", "gate"]
    (log,) = rows(claude, ScreenerLog)
    assert (log.passed, log.audited, log.later_action) == (True, False, "OPEN_LONG")
    asked = len(anthropic.requests)
    sessions, settings = claude.bot.sessions, claude.ctx.settings
    stored = replaying.load_cycle(sessions, cycle.account_id, cycle.id)
    steps = replaying.replay(sessions, settings, stored)
    assert [(step.name, step.same) for step in steps] == [("screening", True), ("decision", True), ("gate", True)]
    assert len(anthropic.requests) == asked, "a replay asks nobody"
    # Other settings today do not matter to what was decided under those of its day …
    other = settings.model_copy(update={"opus_model": "claude-opus-5", "max_trade_margin_pct": Decimal(1)})
    assert all(step.same for step in replaying.replay(sessions, other, stored))
    # … but a prompt that is not the same any more is refused, not asked.
    assert stored.cycle.considered is not None
    stored.cycle.considered = stored.cycle.considered | {"language": "German"}
    with pytest.raises(ReplayMiss, match=r"differs from call \d+ at messages.0.content.1.text, line"):
        replaying.replay(sessions, settings, stored)


def test_what_another_limit_and_another_analyst_would_have_made_of_it(
    claude: Desk, anthropic: AnthropicStandin, capsys: pytest.CaptureFixture[str]
) -> None:
    cycle = run(claude)
    sessions, settings = claude.bot.sessions, claude.ctx.settings
    stored = replaying.load_cycle(sessions, cycle.account_id, cycle.id)
    assert cycle.decision is not None
    refused = replaying.judged_otherwise(sessions, stored, cycle.decision, (("min_reward_risk", "50"),))
    assert refused is not None
    assert [str(name) for name in refused.refused_by] == ["reward_risk"]
    same = replaying.judged_otherwise(sessions, stored, cycle.decision, ())
    assert same is not None
    assert same.approved
    asked = len(anthropic.requests)

    def whatif(**changed: Any) -> str:
        ask = changed.pop("ask", False)
        status = command._whatif(sessions, settings, stored, replaying.Otherwise(**changed), ask=ask)
        assert status == 0
        return capsys.readouterr().out

    assert "analyst=rules" in whatif(analyst="rules")
    with pytest.raises(ValueError, match=r"add --ask to ask claude-haiku-5-5 once, at most 0\.00[1-9]\d USD"):
        whatif(model="claude-haiku-5-5")
    assert len(anthropic.requests) == asked
    assert "(asked claude-opus-5-5 now)" in whatif(prompt_version="decide-2", ask=True)
    assert "(from the store)" in whatif(prompt_version="decide-2")
    assert len(anthropic.requests) == asked + 1
    assert [call.purpose for call in rows(claude, LlmCall)] == ["screen", "decide", "whatif"]
    # What was asked afterwards is no part of the cycle: its replay is what it was.
    assert all(step.same for step in replaying.replay(sessions, settings, stored))


@pytest.mark.parametrize("limit", ["min_reward_risk=1e999999", "min_reward_risk=-1", "entry_slippage_bps=-1", "x=1"])
def test_a_limit_no_setting_allows_is_refused_and_not_printed_at_length(claude: Desk, limit: str) -> None:
    settings = claude.ctx.settings
    assert command._limits(["MIN_REWARD_RISK=2"], settings) == (("min_reward_risk", "2"),)
    with pytest.raises(ValueError, match=f"^--limit {limit}: .{{10,600}}$"):
        command._limits([limit], settings)


def test_what_opus_is_shown_holds_no_expired_lesson_and_is_replayed(claude: Desk, anthropic: AnthropicStandin) -> None:
    """Where a lesson keeps the bot from trading nothing closes, and no reflection comes to drop it."""
    ends = claude.ctx.execution.clock.market_now()
    lessons = [
        Lesson(text=text, stance="avoid", scope=Scope(strategy=text), expires_at=ends + timedelta(days=days))
        for text, days in (("over", -2), ("alive", 2))
    ]
    with claude.bot.sessions.begin() as session:
        book = session.scalars(select(PlaybookVersion).where(PlaybookVersion.active)).one()
        book.content = book.content | {"lessons": [each.model_dump(mode="json") for each in lessons]}
    cycle = run(claude)
    shown = next(r["system"][1]["text"] for r in anthropic.requests if len(r["system"]) == 2)
    assert "avoid alive" in shown
    assert "avoid over" not in shown
    sessions = claude.bot.sessions
    stored = replaying.load_cycle(sessions, cycle.account_id, cycle.id)
    assert all(step.same for step in replaying.replay(sessions, claude.ctx.settings, stored))


@pytest.mark.parametrize(("quiet_min", "kept"), [(45, 0), (50, 1), (55, 1), (60, 0)])
def test_what_opus_has_cached_is_read_again_before_an_hour_is_over(
    claude: Desk, anthropic: AnthropicStandin, quiet_min: int, kept: int
) -> None:
    hold = {"action": "HOLD", "size_pct": 0, "stop_loss": None, "take_profit": None, "invalidation": None}
    anthropic.say = lambda body: long_at(body, **hold)
    later(claude, run(claude), minutes=quiet_min)
    anthropic.say = lambda _body: {"signal": False, "confidence": 0.9, "reason": "quiet"}
    assert run(claude).outcome == "hold"
    calls = rows(claude, LlmCall)
    assert [call.purpose for call in calls][2:] == ["screen"] + ["keep"] * kept
    if kept:
        assert calls[-1].cache_read_tokens
        assert (calls[-1].outcome, calls[-1].input_tokens < 10, calls[-1].output_tokens) == ("ok", True, 0)


def test_opus_silent_is_hold_and_says_nothing_about_the_screener(claude: Desk, anthropic: AnthropicStandin) -> None:
    anthropic.strike = lambda body: api.HANG if body["model"].startswith("claude-opus") else None
    cycle = run(claude)
    # The socket's time ends with the deadline: which of the two says so is a matter of milliseconds.
    assert cycle.outcome == "hold"
    assert re.fullmatch("opus timeout: .* the deadline of 3 s", cycle.reason or "")
    (log,) = rows(claude, ScreenerLog)
    assert (log.passed, log.later_action) == (True, None)


def test_a_spent_budget_is_hold_and_told_once(claude: Desk) -> None:
    on = claude.ctx.execution
    settings = claude.ctx.settings.model_copy(update={"llm_daily_budget_usd": Decimal("0.05")})
    analyst = build_analyst(settings, on.sessions, on.clock, on.account_id)
    poor = replace(claude, ctx=replace(claude.ctx, analyst=analyst))
    for n in range(2):
        cycle = run(poor)
        assert cycle.outcome == "hold"
        assert (cycle.reason or "").startswith("model budget spent")
        later(claude, cycle, 5 * (2 - n))
    assert [alert.kind for alert in rows(claude, Alert)] == ["model_budget_spent"]


def test_a_screener_that_keeps_failing_raises_one_alarm_and_word_when_it_answers(
    claude: Desk, anthropic: AnthropicStandin
) -> None:
    anthropic.strike = lambda body: api.REFUSAL
    for n in range(7):
        later(claude, run(claude), 5 * (10 - n))
    assert [alert.kind for alert in rows(claude, Alert)] == ["screener_failing"]
    assert sum(body["model"].startswith("claude-haiku") for body in anthropic.requests) == 5
    with claude.bot.sessions.begin() as session:
        session.execute(update(ScreenerLog).values(created_at=ScreenerLog.created_at - timedelta(minutes=3)))
    anthropic.strike = lambda body: None
    anthropic.say = lambda body: {"signal": False, "confidence": 0.9, "reason": "quiet"}
    assert run(claude).reason == "hold: screened out: quiet"
    assert [alert.kind for alert in rows(claude, Alert)] == ["screener_failing", "screener_answering"]


def test_what_opus_asks_to_know_is_researched_before_its_next_decision(
    claude: Desk, anthropic: AnthropicStandin, servers: tuple[AnthropicStandin, PerplexityStandin]
) -> None:
    question = "Has the ETF ruling come?"
    anthropic.say = lambda body: long_at(body, action="HOLD", research_question=question)
    for n in range(4):
        cycle = run(claude)
        later(claude, cycle, 5 * (4 - n))
    found = [row.research for row in rows(claude, DecisionCycle)]
    assert [research and research["question"] for research in found] == [None, question, question, None]
    assert found[1]["findings"]["facts"][0]["statement"] == "CPI fell."
    assert found[2]["cached"]
    told = [minds.said_to(body) for body in anthropic.requests if "opus" in body["model"]]
    assert [question in text for text in told] == [False, True, True, False]
    stored = replaying.load_cycle(claude.bot.sessions, cycle.account_id, rows(claude, DecisionCycle)[1].id)
    steps = replaying.replay(claude.bot.sessions, claude.ctx.settings, stored)
    assert [(step.name, step.same) for step in steps] == [("screening", True), ("research", True), ("decision", True)]


def test_the_occasions_of_a_cycle(claude: Desk) -> None:
    cycle_id = claude.decided(Action.HOLD, stage="analyze", decision=None)
    with claude.bot.sessions() as session:
        cycle = session.get_one(DecisionCycle, cycle_id)
        market = replaying.stored_snapshot(cycle).market
        assert find_occasions(session, cycle, market).open_interest_change_pct is None
        event = EconomicEvent(name="CPI", at=market.slot + timedelta(minutes=30))
        for at, due in ((0, "CPI"), (1, None), (-31, None)):
            moved = event.model_copy(update={"at": event.at + timedelta(minutes=at)})
            seen = market.model_copy(update={"calendar": CalendarView(next_event=moved)})
            assert news_due(seen) == due
    before = claude.decided(Action.HOLD, stage="analyze", decision=None, slot=claude.slot - timedelta(hours=4))
    snapshot = claude.row(before).snapshot
    assert snapshot is not None
    snapshot["market"]["open_interest_contracts"] = str((market.open_interest_contracts or 0) * Decimal("0.8"))
    claude.change(before, snapshot=snapshot)
    with claude.bot.sessions() as session:
        cycle = session.get_one(DecisionCycle, cycle_id)
        assert find_occasions(session, cycle, market).open_interest_change_pct == pytest.approx(25)
