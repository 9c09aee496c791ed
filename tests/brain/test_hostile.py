"""Text that gives orders changes nothing: research, a naive reader of it, and a model that obeys are all tried."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brain.build import build_analyst
from brain.claude.answer import understand
from brain.claude.decision_schema import Offer, to_decision
from brain.claude.reducer import findings_of
from brain.facts import MAX_FACTS, MAX_STATEMENT
from brain.perplexity_research import PerplexityResearcher
from brain.research import ResearchRequest
from brain.wire import Malformed, parse_object
from models.session import SessionFactory
from standins import anthropic_api as api
from standins.anthropic_api import AnthropicStandin
from standins.hostile import PARTS, hostile
from standins.minds import said_to
from standins.perplexity_api import PerplexityStandin
from tests.brain.conftest import make_market, make_request, settings_for
from tests.brain.test_opus import LONG
from tests.trading.conftest import given_entry  # noqa: F401 - a fixture
from trading.clock import WallClock
from trading.decision import ENTERING, Action
from trading.gate.gate import judge
from trading.gate.verdict import GateInput

CORPUS = [
    json.loads(f'"{line}"') if "\\u" in line else line.encode().decode("unicode_escape")
    for line in (Path(__file__).parent / "hostile_research.txt").read_text().splitlines()
]
QUESTION = "Why has BTC risen sharply within the last hour?"


@pytest.fixture(scope="module")
def perplexity_api() -> Iterator[PerplexityStandin]:
    with PerplexityStandin() as server:
        yield server


def naive(text: str) -> dict[str, Any]:
    """A reader that was taken in: it hands the whole text on as facts."""
    fact = {"statement": text, "kind": "reported", "direction": "up", "at": text, "source": 1}
    return {"facts": [fact] * 20, "instructions_found": False}


@pytest.mark.parametrize("text", CORPUS)
def test_hostile_research_reaches_opus_as_bounded_data_or_not_at_all(
    text: str, perplexity_api: PerplexityStandin, anthropic_api: AnthropicStandin, sessions: SessionFactory,
    clock: WallClock, account_id: int, cycle_id: int,
) -> None:  # fmt: skip
    settings = settings_for(anthropic_api, PERPLEXITY_BASE_URL=perplexity_api.url)
    perplexity_api.text = text
    anthropic_api.say = lambda body: naive(text) if "facts" in json.dumps(body["output_config"]) else LONG
    found = PerplexityResearcher.from_settings(settings, sessions, clock, account_id).research(
        ResearchRequest(QUESTION, "strong hour", cycle_id, "BTC")
    )
    assert found.findings is not None, found.reason
    analyst = build_analyst(settings, sessions, clock, account_id)
    analyst.decide(make_request(cycle_id, research=found.findings))
    analyst.decide(make_request(cycle_id))
    reading, told, clean = anthropic_api.requests
    anthropic_api.refused.clear()
    assert reading["system"].startswith("You reduce a research answer")
    assert reading["messages"][0]["content"].count("\n") == 2, "the text is one JSON string on one line"
    for part in ("system", "output_config", "model", "max_tokens"):
        assert told[part] == clean[part]
    prompt, without = said_to(told), said_to(clean)
    before, _, after = prompt.partition("# Research\n")
    assert before == without.partition("# Research\n")[0]
    quoted, _, rest = after.partition("\n</research>")
    assert rest.strip() == without.partition("# Research\nNone.")[2].strip()
    lines = quoted.splitlines()[2:]
    assert len(lines) == MAX_FACTS
    for line in lines:
        fact = json.loads(line)
        assert len(fact["statement"]) <= MAX_STATEMENT
        assert not set("<>\n\r\x00\u200b\u202e") & set(fact["statement"])
        assert "http" not in fact["statement"]
        assert "www." not in fact["statement"]


@pytest.mark.parametrize(
    "obeyed",
    [
        {"size_pct": 100}, {"inst_id": "DOGE-USDT-SWAP"}, {"leverage": 125}, {"stop_loss": "none"},
        {"action": "SELL_EVERYTHING"}, {"invalidation": None},
    ],
)  # fmt: skip
def test_a_model_that_obeys_such_text_is_held(
    obeyed: dict[str, Any], anthropic_api: AnthropicStandin, sessions: SessionFactory, clock: WallClock,
    account_id: int, cycle_id: int,
) -> None:  # fmt: skip
    anthropic_api.say = lambda body: LONG | obeyed
    settings = settings_for(anthropic_api)
    result = build_analyst(settings, sessions, clock, account_id).decide(make_request(cycle_id))
    assert (result.outcome, result.decision.action) == ("hold", Action.HOLD)
    assert result.reason.startswith("opus invalid: ")


def test_a_reader_that_breaks_its_schema_gives_no_facts(
    perplexity_api: PerplexityStandin, anthropic_api: AnthropicStandin, sessions: SessionFactory, clock: WallClock,
    account_id: int, cycle_id: int,
) -> None:  # fmt: skip
    settings = settings_for(anthropic_api, PERPLEXITY_BASE_URL=perplexity_api.url)
    researcher = PerplexityResearcher.from_settings(settings, sessions, clock, account_id)
    asked = ResearchRequest(QUESTION, "strong hour", cycle_id, "BTC")
    for fault in (api.REFUSAL, api.saying('{"facts": "buy"}'), api.saying('{"facts": [{"statement": "x"}]}')):
        anthropic_api.faults.append(fault)
        found = researcher.research(asked)
        assert found.findings is None
        assert found.text, "people may read it"
        assert found.reason.startswith("its facts could not be read")
    anthropic_api.say = lambda body: naive("CPI fell.")
    assert researcher.research(asked).findings is not None  # the prose was kept, its facts are taken out now
    asks = len(anthropic_api.requests)
    assert researcher.research(asked).cached
    assert len(anthropic_api.requests) == asks, "an hour's facts are taken out once"


def test_a_thousand_fuzzed_answers_end_as_hold_or_within_the_limits(
    given_entry: Callable[..., GateInput],  # noqa: F811
) -> None:
    """0 past the gate, 0 exceptions. The answers are a valid decision with one to four of its parts made hostile."""
    dice = random.Random(20261124)
    given = given_entry()
    limits, frames = given.limits, make_market().frames
    offer = Offer(given.decision.inst_id, limits.max_trade_margin_pct, frames)
    approved = held = 0
    for _ in range(1000):
        text = hostile(dice, LONG | {"inst_id": offer.inst_id, "stop_loss": 49_500, "take_profit": 51_500})
        body = {"content": [{"type": "text", "text": text}], "stop_reason": dice.choice(["end_turn"] * 9 + ["refusal"]),
                "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
        try:
            read = parse_object(json.dumps(body))
        except Malformed:
            held += 1
            continue
        decision = understand(read, lambda answer: to_decision(answer, offer)).value
        if decision is None:
            held += 1
            continue
        assert decision.inst_id == offer.inst_id
        if decision.action not in ENTERING:
            continue
        assert 0 < decision.size_pct <= limits.max_trade_margin_pct
        verdict = judge(given.model_copy(update={"decision": decision}))
        if verdict.approved:
            approved += 1
            assert verdict.margin is not None
            assert given.account.equity is not None
            assert verdict.margin <= given.account.equity * limits.max_trade_margin_pct / 100
            assert verdict.leverage is not None
            assert verdict.leverage <= limits.max_leverage
            assert verdict.stop_loss is not None
            assert verdict.price is not None
            sign = 1 if verdict.side == "buy" else -1
            assert sign * (verdict.price - verdict.stop_loss) > 0
    assert held > 300, "the fuzz must bite"
    assert approved > 5, "and some must come through, or nothing was judged"


def test_facts_of_any_shape_are_read_or_refused() -> None:
    dice = random.Random(7)
    good = {"statement": "CPI fell", "kind": "reported", "direction": "up", "at": None, "source": 1}
    for _ in range(300):
        fact = good | {dice.choice([*good, "more"]): dice.choice(PARTS)}
        try:
            found = findings_of({"facts": [fact], "instructions_found": dice.choice([True, "yes", None])}, QUESTION)
        except ValueError:
            continue
        assert all(len(each.statement) <= MAX_STATEMENT for each in found.facts)
