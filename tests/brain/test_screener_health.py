"""A Haiku that keeps failing is left alone for a while, is asked again, and is known to have recovered."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from brain.build import build_screener
from brain.screener_health import FAILURES, PAUSE, ScreenerHealth, screener_health
from brain.screening import ScreenRequest, ScreenResult, is_audited
from models import LlmCall, ScreenerLog
from models.session import SessionFactory
from standins import anthropic_api as api
from standins.anthropic_api import AnthropicStandin
from tests.brain.conftest import make_account, make_market, settings_for
from trading.clock import WallClock, wall_now


@pytest.fixture
def screen(
    sessions: SessionFactory, clock: WallClock, account_id: int, cycle_id: int, anthropic_api: AnthropicStandin
) -> Any:
    """Screens and logs, as the stage does."""

    def run(**changed: str) -> ScreenResult:
        screener = build_screener(settings_for(anthropic_api, **changed), sessions, clock, account_id)
        assert screener is not None
        result = screener.screen(ScreenRequest(cycle_id, make_market(), make_account()))
        with sessions.begin() as session:
            session.add(result.log_row(account_id, cycle_id))
        return result

    return run


def health(sessions: SessionFactory, account_id: int) -> ScreenerHealth:
    with sessions() as session:
        return screener_health(session, account_id, wall_now())


def test_the_breaker_opens_after_five_failures_and_closes_with_an_answer(
    screen: Any, anthropic_api: AnthropicStandin, sessions: SessionFactory, account_id: int
) -> None:
    anthropic_api.faults.extend([api.REFUSAL] * FAILURES)
    for _ in range(FAILURES):
        assert screen().fail_open
    found = health(sessions, account_id)
    assert (found.in_a_row, found.is_open(wall_now()), found.is_open(wall_now() + PAUSE)) == (FAILURES, True, False)
    assert "5 times in a row" in (found.alarm or "")
    unasked = screen()
    assert (unasked.screener, unasked.passed, unasked.fail_open) == ("none", True, True)
    assert len(anthropic_api.requests) == FAILURES
    with sessions.begin() as session:  # two minutes later
        for row in session.scalars(select(ScreenerLog)):
            row.created_at -= PAUSE
    assert screen().screener == "haiku"
    found = health(sessions, account_id)
    assert (found.in_a_row, found.recovered, found.is_open(wall_now())) == (0, True, False)


def test_a_budget_that_is_spent_says_nothing_about_haiku(
    screen: Any, anthropic_api: AnthropicStandin, sessions: SessionFactory, account_id: int
) -> None:
    for _ in range(FAILURES):
        assert screen(LLM_DAILY_BUDGET_USD="0").screener == "none"
    assert health(sessions, account_id).alarm is None


def test_one_failure_in_five_within_an_hour_is_an_alarm(
    sessions: SessionFactory, account_id: int, cycle_id: int
) -> None:
    def log(*failures: bool, age: timedelta = timedelta(0)) -> None:
        with sessions.begin() as session:
            for failed in failures:
                session.add(
                    ScreenerLog(account_id=account_id, cycle_id=cycle_id, screener="haiku", passed=True, reason="",
                                fail_open=failed, created_at=wall_now() - age)
                )  # fmt: skip

    log(*[True, False] * 5, age=timedelta(hours=2))
    assert health(sessions, account_id).alarm is None
    log(*[True] * 2, *[False] * 7)
    assert health(sessions, account_id).alarm is None  # nine are too few to say
    log(False)
    assert "2 of 10 times" in (health(sessions, account_id).alarm or "")


def test_a_sample_of_what_is_screened_out_goes_on(screen: Any, anthropic_api: AnthropicStandin) -> None:
    anthropic_api.say = lambda body: {"signal": False, "confidence": 0.9, "reason": "Quiet."}
    assert not screen(HAIKU_AUDIT_PCT="0").goes_on
    audited = screen(HAIKU_AUDIT_PCT="100")
    assert (audited.passed, audited.audited, audited.goes_on) == (False, True, True)
    share = sum(is_audited(cycle, Decimal(2)) for cycle in range(10_000)) / 100
    assert 1.5 < share < 2.5
    assert is_audited(7, Decimal(2)) == is_audited(7, Decimal(2))


def test_calls_are_on_the_ledger_even_when_they_fail(
    screen: Any, anthropic_api: AnthropicStandin, sessions: SessionFactory
) -> None:
    anthropic_api.faults.append(api.REFUSAL)
    screen()
    with sessions() as session:
        assert session.scalars(select(LlmCall.outcome)).all() == ["refusal"]
