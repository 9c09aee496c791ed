"""While the model thinks about closed trades, decisions go their way: no lock, no transaction waits for it."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from brain.build import build_reflector
from models import Trade
from pipeline import learning
from settings import load_settings
from standins.anthropic_api import AnthropicStandin
from trading.decision import Action

D = Decimal
PATIENCE_S = 60


@pytest.fixture
def slow_thinker():
    """A model that answers when told to; `asked` is set once it has the question."""
    import anthropic  # noqa: F401 - seconds on a busy machine

    asked, told = threading.Event(), threading.Event()

    def think(_):
        asked.set()
        told.wait(PATIENCE_S)
        return {"summary": "Nothing.", "changes": []}

    with AnthropicStandin(say=think) as api:
        yield api, asked, told
        told.set()


def test_a_decision_is_judged_and_an_order_made_while_the_bot_reflects(desk, slow_thinker):
    api, asked, told = slow_thinker
    ctx = desk.bot.ctx
    closed = ctx.clock.market_now() - timedelta(hours=7)
    with desk.bot.sessions.begin() as session:
        session.add(
            Trade(
                account_id=ctx.account_id, inst_id="BTC-USDT-SWAP", side="long", contracts=D(0), max_contracts=D(1),
                entry_px=D(100), exit_px=D(105), net_pnl=D(5), r_multiple=D(1), strategy="momentum",
                opened_market_at=closed - timedelta(minutes=30), closed_market_at=closed,
            )
        )  # fmt: skip
    settings = load_settings(
        {"ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url, "REFLECTION_BUDGET_S": str(PATIENCE_S)},
        dotenv=False,
    )
    reflector = build_reflector(settings, ctx.sessions, ctx.clock, ctx.account_id)
    answers: list[str | None] = []
    thinking = threading.Thread(target=lambda: answers.append(learning.reflect_if_due(ctx, reflector)))
    thinking.start()
    assert asked.wait(PATIENCE_S)
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.advance(cycle_id)
    assert desk.verdict(cycle_id).approved
    assert desk.row(cycle_id).stage == "execute"
    assert thinking.is_alive()
    assert answers == []
    told.set()
    thinking.join(PATIENCE_S)
    assert answers == ["deep:first"]
