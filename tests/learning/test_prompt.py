"""The prompt of a reflection, word for word: golden/ holds it as it was read and found good."""

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from brain.claude.patch_schema import SCHEMA
from brain.prompts.reflection import system_text, user_text
from brain.reflection import ReflectionRequest
from standins.anthropic_refusals import check_output_config
from tests.learning.conftest import START, trade
from trading import calibration
from trading.decision import Regime
from trading.playbook import Lesson, Scope, default_playbook, render
from trading.playbook.bounds import HardLimits
from trading.trade_groups import grouped

GOLDEN = Path(__file__).with_name("golden")
TRADES = tuple(
    trade(n, 1.5 if n % 3 else -1.0, confidence=Decimal("0.4") + n % 2 * Decimal("0.2")) for n in range(1, 9)
)


def request() -> ReflectionRequest:
    at = START + timedelta(hours=6)
    return ReflectionRequest(
        reason="6 hours", at=at, playbook=default_playbook(), playbook_version=3, trades=TRADES,
        statistics=grouped(TRADES),
        calibration=tuple(calibration.report(s, each) for s, each in calibration.stated_by_source(TRADES, at).items()),
        used={}, limits=HardLimits(Decimal(5)), reviews=("7: long BTC-USDT-SWAP by momentum; the target was reached",),
        refused=("confidence_floor: the confidence floor moves by at most 0.05 at once, from 0.35",),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["system", "user"])
def test_prompt_is_word_for_word_as_agreed(name: str) -> None:
    text = (system_text() if name == "system" else user_text(request())) + "\n"
    path = GOLDEN / f"reflect_{name}.txt"
    if os.environ.get("OKXBOT_TEST_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_api_takes_the_schema() -> None:
    check_output_config({"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}})


def test_the_playbook_keeps_to_its_budget_of_tokens_and_counts_what_it_leaves_out() -> None:
    learned = tuple(
        Lesson(text="x" * 280, stance="avoid", scope=Scope(regime=Regime.RANGING, hours=(n,)), trade_ids=(n,),
               expires_at=START + timedelta(days=n))
        for n in range(1, 13)
    )  # fmt: skip
    book = default_playbook().model_copy(update={"lessons": default_playbook().lessons + learned})
    whole, short = render(book, 10_000), render(book, 1500)
    assert all(one.text in whole for one in book.lessons)
    assert len(short) <= 1500 * 3.5 + 60
    kept = short.count("x" * 280)
    assert 0 < kept < 12
    assert f"- ({12 - kept} more left out for their length)" in short
    # The newest stay, and so do all rules.
    assert "at 12 UTC" in short
    assert all(f"- {name}: " in short or f"- {name} [disabled]: " in short for name in book.strategies)
    assert all(f"- {name}: " in short for name in book.regimes)
