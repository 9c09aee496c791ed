"""Research through the real SDK against the stand-in: triggers in code, an hour of cache, failure without text."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import select

from brain.occasions import Occasions
from brain.perplexity_research import PerplexityResearcher
from brain.research import ResearchRequest, cache_key, trigger
from models import LlmCall, ResearchEntry
from models.session import SessionFactory
from settings import AnySettings, load_settings
from standins.perplexity_api import PerplexityStandin, rate_limited
from standins.server import Fault
from tests.brain.conftest import make_market
from trading.clock import wall_now


@dataclass
class SetClock:
    """Wall time as the test sets it."""

    at: datetime

    def market_now(self) -> datetime:
        return self.at

    def wall_now(self) -> datetime:
        return self.at


@pytest.fixture(scope="module")
def server() -> Iterator[PerplexityStandin]:
    import perplexity  # noqa: F401 - seconds on a busy machine, which no test's deadline should pay

    with PerplexityStandin() as standin:
        yield standin


@pytest.fixture
def api(server: PerplexityStandin) -> PerplexityStandin:
    server.reset()
    return server


@pytest.fixture
def wall() -> SetClock:
    return SetClock(wall_now())


@pytest.fixture
def build(api: PerplexityStandin, sessions: SessionFactory, account_id: int, wall: SetClock) -> Any:
    def make(**changed: str) -> PerplexityResearcher:
        values = {"PERPLEXITY_API_KEY": api.key, "PERPLEXITY_BASE_URL": api.url} | changed
        settings: AnySettings = load_settings(values, dotenv=False)
        return PerplexityResearcher.from_settings(settings, sessions, wall, account_id)

    return make


def ask(question: str, cycle_id: int | None = None) -> ResearchRequest:
    return ResearchRequest(question, "requested", cycle_id)


def test_an_answer_has_its_text_its_sources_and_what_it_cost(
    build: Any, api: PerplexityStandin, sessions: SessionFactory, cycle_id: int
) -> None:
    result = build().research(ask("Why has BTC fallen?", cycle_id))
    assert result.text is not None
    assert "CPI came out at 2.4 %" in result.text
    assert [s.url for s in result.sources] == ["https://example.org/cpi"]
    assert api.refused == []
    with sessions() as session:
        row = session.scalars(select(LlmCall)).one()
    assert (row.provider, row.outcome, row.cost_usd) == ("perplexity", "ok", Decimal("0.0069"))


@pytest.mark.parametrize("usage", [{"cost": {"total_cost": 1e300}}, {"prompt_tokens": 10**30}])
def test_a_bill_beyond_belief_costs_the_reservation(
    build: Any, api: PerplexityStandin, sessions: SessionFactory, usage: dict[str, Any]
) -> None:
    billed = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20} | usage
    api.faults.append(Fault("message", fields=(("usage", billed),)))
    assert build().research(ask("Why?")).text is not None
    with sessions() as session:
        row = session.scalars(select(LlmCall)).one()
    assert (row.outcome, row.cost_usd) == ("ok", row.reserved_usd)


def test_links_are_for_people_not_for_the_model(build: Any) -> None:
    result = build().research(ask("Why?"))
    assert "http" not in result.text
    assert "[link]" in result.text


def test_the_same_question_within_an_hour_is_asked_once(build: Any, api: PerplexityStandin, wall: SetClock) -> None:
    first = build().research(ask("Why has BTC fallen?"))
    wall.at += timedelta(minutes=59)
    again = build().research(ask("  why has  btc FALLEN "))
    assert (again.cached, again.text, again.sources) == (True, first.text, first.sources)
    assert again.llm_call_id == first.llm_call_id
    assert len(api.requests) == 1
    wall.at += timedelta(minutes=2)
    assert not build().research(ask("Why has BTC fallen?")).cached
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", 401, (), '{"error": {"message": "no"}}'), "HTTP 401"),
        (Fault("body", text="<html>"), "not JSON"),
        (Fault("body", text='{"choices": []}'), "empty"),
        (Fault("message", fields=(("choices", "none"),)), "not a completion"),
        (rate_limited("60"), "after the deadline"),
    ],
)
def test_a_failure_is_no_text_and_a_reason_and_is_not_kept(
    build: Any, api: PerplexityStandin, sessions: SessionFactory, fault: Fault, reason: str
) -> None:
    api.faults.append(fault)
    result = build().research(ask("Why?"))
    assert result.text is None
    assert reason in result.reason
    with sessions() as session:
        assert session.scalars(select(ResearchEntry)).all() == []


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_silent_or_dripping_answer_ends_at_the_deadline(build: Any, api: PerplexityStandin, kind: str) -> None:
    api.faults.append(Fault(kind))
    started = monotonic()
    result = build(PERPLEXITY_BUDGET_S="0.5").research(ask("Why?"))
    assert result.text is None
    assert monotonic() - started < 1.5


def test_a_passing_trouble_is_tried_again(build: Any, api: PerplexityStandin) -> None:
    api.faults.append(Fault("status", 500, (), "{}"))
    assert build().research(ask("Why?")).text is not None
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("changed", "arguments", "expected"),
    [
        ({}, {}, None),
        ({"change_1h_pct": -3.1}, {}, "strong hour"),
        ({"change_1h_pct": 2.9}, {}, None),
        ({"funding_rate": Decimal("0.0006")}, {}, "funding"),
        ({"funding_rate": Decimal("-0.0004")}, {}, "funding"),
        ({"change_1h_pct": None, "funding_rate": None}, {}, None),
        ({}, {"news": "CPI"}, "news window"),
        ({}, {"requested": "What of the ETF?"}, "opus asked"),
        ({}, {"open_interest_change_pct": -10.4}, "open interest"),
        ({}, {"open_interest_change_pct": 9.9}, None),
    ],
)
def test_when_there_is_a_question(changed: dict[str, Any], arguments: dict[str, Any], expected: str | None) -> None:
    request = trigger(make_market(**changed), 1, Occasions(**arguments))
    assert (request.trigger if request else None) == expected


def test_a_question_holds_no_live_figure_so_that_cycles_share_its_answer() -> None:
    first = trigger(make_market(change_1h_pct=-3.1), 1)
    second = trigger(make_market(change_1h_pct=-4.7, last=Decimal(29000)), 2)
    assert first is not None
    assert second is not None
    assert first.question == second.question
    assert cache_key("sonar-pro", "1", first.question) != cache_key("sonar", "1", first.question)
