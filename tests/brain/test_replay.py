"""A stored decision comes back from the store: same bytes, no network, a miss refused."""

from typing import Any

import pytest
from sqlalchemy import update

from brain.build import build_analyst
from brain.claude.opus import OpusAnalyst
from brain.replay import NoNetwork, ReplayCalls, ReplayMiss
from brain.terms import Terms
from models import LlmCall
from models.session import SessionFactory
from settings import AnySettings
from standins import anthropic_api as api
from standins.anthropic_api import AnthropicStandin
from tests.brain.conftest import make_market, make_request
from tests.brain.test_opus import LONG
from trading.clock import WallClock


@pytest.fixture
def replaying(settings: AnySettings, sessions: SessionFactory) -> OpusAnalyst:
    return OpusAnalyst(Terms.of(settings), NoNetwork("anthropic"), ReplayCalls(sessions), budget_s=30)


def test_the_same_input_gives_the_same_bytes_back(
    settings: AnySettings, anthropic_api: AnthropicStandin, sessions: SessionFactory, clock: WallClock,
    account_id: int, cycle_id: int, replaying: OpusAnalyst,
) -> None:  # fmt: skip
    anthropic_api.say = lambda body: LONG
    request = make_request(cycle_id, language="odd \x00 – English")
    then = build_analyst(settings, sessions, clock, account_id).decide(request)
    now = replaying.decide(request)
    assert now.decision.model_dump_json() == then.decision.model_dump_json()
    assert (now.outcome, now.reason, now.llm_call_id) == (then.outcome, then.reason, then.llm_call_id)
    assert len(anthropic_api.requests) == 1


@pytest.mark.parametrize("fault", [api.REFUSAL, api.saying("{}"), api.rate_limited("60")])
def test_a_hold_is_replayed_with_its_reason(
    settings: AnySettings, anthropic_api: AnthropicStandin, sessions: SessionFactory, clock: WallClock,
    account_id: int, cycle_id: int, replaying: OpusAnalyst, fault: Any,
) -> None:  # fmt: skip
    anthropic_api.faults.append(fault)
    request = make_request(cycle_id)
    then = build_analyst(settings, sessions, clock, account_id).decide(request)
    assert replaying.decide(request).decision == then.decision


def test_a_miss_is_refused(
    settings: AnySettings, sessions: SessionFactory, clock: WallClock, account_id: int, cycle_id: int,
    replaying: OpusAnalyst,
) -> None:  # fmt: skip
    build_analyst(settings, sessions, clock, account_id).decide(make_request(cycle_id))
    with pytest.raises(ReplayMiss, match=r"no stored decide call .* call \d+ at messages.0.content.2.text, line 3"):
        replaying.decide(make_request(cycle_id, market=make_market(change_1h_pct=0.1)))


def test_a_stored_request_that_was_changed_is_refused(
    settings: AnySettings,
    sessions: SessionFactory,
    clock: WallClock,
    account_id: int,
    cycle_id: int,
    replaying: OpusAnalyst,
) -> None:
    build_analyst(settings, sessions, clock, account_id).decide(make_request(cycle_id))
    with sessions.begin() as session:
        session.execute(update(LlmCall).values(request={"model": "another"}))
    with pytest.raises(ReplayMiss, match="not the one that was sent"):
        replaying.decide(make_request(cycle_id))
