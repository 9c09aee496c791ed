"""Haiku screens through the real SDK; whatever goes wrong, the signal passes."""

import json
from decimal import Decimal
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import select

from brain.build import build_screener
from brain.screening import ScreenRequest, ScreenResult, bypass
from models import LlmCall, ScreenerLog
from models.session import SessionFactory
from settings import AnySettings
from standins import anthropic_api as api
from standins.anthropic_api import AnthropicStandin
from standins.server import Fault
from tests.brain.conftest import POSITION, make_account, make_market, settings_for
from trading.clock import WallClock
from trading.snapshot import AccountSnapshot, MarketSnapshot


@pytest.fixture
def screen(sessions: SessionFactory, clock: WallClock, account_id: int, cycle_id: int) -> Any:
    def run(settings: AnySettings, market: MarketSnapshot | None = None) -> ScreenResult:
        screener = build_screener(settings, sessions, clock, account_id)
        assert screener is not None
        return screener.screen(ScreenRequest(cycle_id, market or make_market(), make_account()))

    return run


@pytest.mark.parametrize("signal", [True, False])
def test_haiku_says_whether_opus_is_asked(
    screen: Any, settings: AnySettings, anthropic_api: AnthropicStandin, sessions: SessionFactory, signal: bool
) -> None:
    anthropic_api.say = lambda body: {"signal": signal, "confidence": 0.8, "reason": "ADX14 at 31."}
    result = screen(settings)
    assert (result.screener, result.passed, result.fail_open) == ("haiku", signal, False)
    assert (result.confidence, result.reason) == (Decimal("0.8"), "ADX14 at 31.")
    assert anthropic_api.refused == []
    with sessions() as session:
        row = session.scalars(select(LlmCall)).one()
    assert (row.purpose, row.outcome, row.id) == ("screen", "ok", result.llm_call_id)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (api.REFUSAL, "refusal"),
        (api.INVALID_JSON, "invalid"),
        (api.saying('{"signal": "yes", "confidence": 0.5, "reason": ""}'), "signal"),
        (api.saying('{"signal": true, "confidence": 7, "reason": ""}'), "confidence"),
        (api.rate_limited("60"), "rate_limited"),
        (Fault("status", 404, (), api.error_body("not_found_error", "gone")), "HTTP 404"),
    ],
)
def test_a_haiku_that_fails_lets_the_signal_pass(
    screen: Any, settings: AnySettings, anthropic_api: AnthropicStandin, fault: Fault, reason: str
) -> None:
    anthropic_api.faults.append(fault)
    result = screen(settings)
    assert (result.passed, result.fail_open, result.confidence) == (True, True, None)
    assert reason in result.reason


def test_a_hanging_haiku_passes_at_its_deadline(screen: Any, anthropic_api: AnthropicStandin) -> None:
    anthropic_api.faults.append(api.HANG)
    started = monotonic()
    result = screen(settings_for(anthropic_api, HAIKU_BUDGET_S="0.5"))
    assert result.fail_open
    assert monotonic() - started < 1.5


def test_a_spent_budget_passes_for_opus_to_hold(screen: Any, anthropic_api: AnthropicStandin) -> None:
    result = screen(settings_for(anthropic_api, LLM_DAILY_BUDGET_USD="0"))
    assert result.fail_open
    assert "model budget spent" in result.reason
    assert anthropic_api.requests == []


@pytest.mark.parametrize(
    ("market", "account", "expected"),
    [
        ({}, make_account(), None),
        ({}, make_account(POSITION), "open position"),
        ({}, make_account(POSITION.model_copy(update={"inst_id": "ETH-USDT-SWAP"})), None),
        ({}, make_account(positions=None), "positions not known"),
        ({"change_1h_pct": 3.0}, make_account(), "moved +3.00 % in an hour"),
        ({"change_1h_pct": -3.4}, make_account(), "moved -3.40 % in an hour"),
        ({"change_1h_pct": 2.99}, make_account(), None),
        ({"change_1h_pct": None}, make_account(), None),
        ({"funding_rate": Decimal("0.0005")}, make_account(), None),
        ({"funding_rate": Decimal("0.00051")}, make_account(), "funding +0.0510 %"),
        ({"funding_rate": Decimal("-0.0003")}, make_account(), None),
        ({"funding_rate": Decimal("-0.00031")}, make_account(), "funding -0.0310 %"),
        ({"funding_rate": None}, make_account(), None),
    ],
)
def test_what_goes_straight_to_opus(market: dict[str, Any], account: AccountSnapshot, expected: str | None) -> None:
    assert bypass(make_market(**market), account) == expected


def test_a_bypass_asks_nobody(screen: Any, settings: AnySettings, anthropic_api: AnthropicStandin) -> None:
    result = screen(settings, make_market(change_1h_pct=-4.0))
    assert (result.screener, result.passed, result.llm_call_id) == ("none", True, None)
    assert anthropic_api.requests == []


def test_the_result_fits_the_screener_log(
    screen: Any, settings: AnySettings, sessions: SessionFactory, account_id: int, cycle_id: int
) -> None:
    result = screen(settings)
    with sessions.begin() as session:
        session.add(result.log_row(account_id, cycle_id))
    with sessions() as session:
        row = session.scalars(select(ScreenerLog)).one()
    assert (row.passed, row.confidence, row.llm_call_id) == (True, Decimal("0.7"), result.llm_call_id)


def test_the_rules_need_no_screener(sessions: SessionFactory, clock: WallClock, account_id: int) -> None:
    from settings import load_settings

    assert build_screener(load_settings({}, dotenv=False), sessions, clock, account_id) is None


def test_the_request_holds_no_key(screen: Any, settings: AnySettings, anthropic_api: AnthropicStandin) -> None:
    screen(settings)
    assert anthropic_api.key not in json.dumps(anthropic_api.requests)
