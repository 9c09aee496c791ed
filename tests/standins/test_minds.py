"""The stand-in's mind reads the prompts as they are written today: it screens, and it trades with the hour."""

import json
from decimal import Decimal
from typing import Any

import pytest

from brain.claude.decision_schema import Offer, to_decision, wire_schema
from brain.claude.haiku import SCHEMA
from brain.prompts import load
from brain.prompts.decision import DecisionPrompts
from brain.prompts.market import render_market
from standins import minds
from standins.__main__ import Misused, order
from standins.anthropic_api import MENU
from tests.brain.conftest import INST, POSITION, make_account, make_frame, make_market, make_request
from trading.decision import Action
from trading.snapshot import MarketSnapshot


def asked(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "output_config": {"format": {"schema": schema}}}


def market(**hour: float) -> MarketSnapshot:
    frames = {bar: make_frame(bar) for bar in ("5m", "15m", "4H")}
    return make_market(frames=frames | {"1H": make_frame("1H", atr14=210.0, **hour)})


@pytest.mark.parametrize(
    ("hour", "positions", "action"),
    [
        ({}, (), Action.OPEN_LONG),
        ({"close": 29000.0, "ema20": 29500.0, "ema50": 30000.0}, (), Action.OPEN_SHORT),
        ({"ema20": 29900.0}, (), Action.HOLD),
        ({}, (POSITION,), Action.HOLD),
    ],
)
def test_it_trades_with_the_hour(hour: dict[str, float], positions: tuple[Any, ...], action: Action) -> None:
    request = make_request(market=market(**hour), account=make_account(*positions))
    text = DecisionPrompts.current().user_text(request)
    offer = Offer(INST, Decimal(5), request.market.frames)
    decision = to_decision(minds.answer(asked(text, wire_schema((INST,)))), offer)
    assert decision.action is action
    if action is not Action.HOLD:
        sign = 1 if action is Action.OPEN_LONG else -1
        assert decision.stop_loss is not None
        assert decision.take_profit is not None
        assert sign * decision.stop_loss < sign * 30123 < sign * decision.take_profit
        assert decision.invalidation is not None


@pytest.mark.parametrize(("close", "signal"), [(30123.4, False), (30260.0, True), (29000.0, True)])
def test_it_screens_by_the_range(close: float, signal: bool) -> None:
    shown = make_market(frames={"5m": make_frame("5m", close=close)})
    text = load("screen_user").fill(market=render_market(shown), inst_id=INST)
    assert minds.answer(asked(text, SCHEMA))["signal"] is signal


def test_whatever_else_is_asked_gets_the_emptiest_answer_that_fits() -> None:
    schema = wire_schema((INST,))
    assert minds.minimal(schema)["invalidation"] is None
    assert minds.minimal(schema)["inst_id"] == INST
    json.dumps(minds.minimal(schema))


def test_faults_strike_as_ordered() -> None:
    strike = order(["hang=0", "refusal"], 1)
    assert strike({}) is MENU["refusal"]
    for wrong in ("hang=2", "hang=x", "earthquake"):
        with pytest.raises(Misused, match="NAME=PROBABILITY"):
            order([wrong], 1)
