"""A worker told to stop while a model answers: the answer is waited for, kept, paid for once; then the worker ends."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from sqlalchemy import func, select

from execution.reflection_windows import ASKED_ACTION
from models import Alert, AuditEntry, DecisionCycle, LlmCall, Reflection, Trade
from standins.anthropic_api import AnthropicStandin
from standins.perplexity_api import PerplexityStandin
from standins.server import Fault, Standin
from tests.tasks.conftest import ETH, until
from tests.tasks.local_process import LocalProcess
from trading.clock import wall_now
from trading.snapshot import AccountSnapshot, History

# An answer comes byte by byte, about a thousand of them.
SLOWLY = Fault("drip", pause_s=0.004)


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, Standin]]:
    with AnthropicStandin() as anthropic, PerplexityStandin() as perplexity:
        yield {"opus": anthropic, "haiku": anthropic, "reflection": anthropic, "perplexity": perplexity}


@pytest.fixture
def api(models, name) -> Standin:
    """The model behind the worker, slow to say what it says."""
    models[name].reset()
    models[name].faults.append(SLOWLY)
    if name == "reflection":
        models[name].say = lambda _: {"summary": "Nothing stands out.", "changes": []}
    return models[name]


@pytest.fixture
def started(name, models, environment, checkout, tmp_path) -> Iterator[LocalProcess]:
    """The worker of that name, with keys."""
    keys = {
        "ANALYST": "claude", "ANTHROPIC_API_KEY": models["opus"].key, "ANTHROPIC_BASE_URL": models["opus"].url,
        "PERPLEXITY_API_KEY": models["perplexity"].key, "PERPLEXITY_BASE_URL": models["perplexity"].url,
    }  # fmt: skip
    process = LocalProcess(
        name, [sys.executable, "-m", "tasks.worker", name], tmp_path / f"{name}.log",
        lambda process: f'"{name}_started"' in process.logs(), environment={**os.environ, **environment, **keys},
        folder=checkout,
    )  # fmt: skip
    process.start()
    process.ready()
    yield process
    process.teardown()


def cycle_at(bot, stage: str) -> int:
    """A cycle that waits for a model."""
    account = AccountSnapshot(taken_at=wall_now(), equity=Decimal(10000), available=Decimal(10000), positions=())
    snapshot = {
        "market": bot.market(ETH).model_dump(mode="json"),
        "account": account.model_dump(mode="json"),
        "history": History(consecutive_losses=0).model_dump(mode="json"),
    }
    with bot.sessions.begin() as session:
        cycle = DecisionCycle(
            account_id=bot.ctx.account_id, inst_id=ETH, slot=wall_now(), opened_by="operator",
            stage=stage, analyst="claude", snapshot=snapshot, deadline=wall_now() + timedelta(minutes=5),
        )  # fmt: skip
        session.add(cycle)
    return cycle.id


def question(bot) -> int:
    with bot.sessions.begin() as session:
        asked = AuditEntry(
            account_id=bot.ctx.account_id, actor="tests", channel="cli", action="research_asked",
            detail={"question": "Why is ETH falling?"},
        )  # fmt: skip
        session.add(asked)
    return asked.id


def wish_to_reflect(bot) -> int:
    """With a closed trade to reflect on."""
    at = bot.ctx.clock.market_now()
    with bot.sessions.begin() as session:
        session.add(
            Trade(
                account_id=bot.ctx.account_id, inst_id=ETH, side="long", contracts=Decimal(0),
                max_contracts=Decimal(1), exited_contracts=Decimal(1), entry_px=Decimal(100), exit_px=Decimal(101),
                risk=Decimal(10), r_multiple=Decimal(1), pnl=Decimal(10), net_pnl=Decimal(10), exit_reason="target",
                strategy="momentum", regime="ranging", opened_market_at=at - timedelta(minutes=30),
                closed_market_at=at,
            )
        )  # fmt: skip
        asked = AuditEntry(account_id=bot.ctx.account_id, actor="tests", channel="cli", action=ASKED_ACTION, detail={})
        session.add(asked)
    return asked.id


def ended(bot, name: str, asked: int) -> bool:
    """What the answer was for is in the books."""
    with bot.sessions() as session:
        if name == "perplexity":
            return session.scalar(select(func.count()).select_from(Alert).where(Alert.kind == "research")) == 1
        if name == "reflection":
            return session.scalar(select(func.count()).select_from(Reflection).where(Reflection.kind == "deep")) == 1
        cycle = session.get_one(DecisionCycle, asked)
        return bool(cycle.decision) if name == "opus" else bool(cycle.screening)


@pytest.mark.parametrize(
    ("name", "task", "ask"),
    [
        ("opus", "opus.analyze", partial(cycle_at, stage="analyze")),
        ("haiku", "haiku.screen", partial(cycle_at, stage="screen")),
        ("perplexity", "perplexity.ask", question),
        ("reflection", "reflection.asked", wish_to_reflect),
    ],
)
def test_an_answer_on_its_way_is_waited_for_and_kept(bot, publish, started, api, name, task, ask):
    asked = ask(bot)
    with bot.sessions() as session:
        before = session.scalar(select(func.max(LlmCall.id))) or 0
    publish(task, asked)
    until(lambda: len(api.requests) == 1)
    assert not ended(bot, name, asked), "the answer must still be on its way"
    started.kill("SIGTERM")
    assert started.wait(60) == 0
    assert ended(bot, name, asked)
    with bot.sessions() as session:
        calls = session.scalars(select(LlmCall).where(LlmCall.id > before)).all()
    assert [call.outcome for call in calls] == ["ok"]
    assert calls[0].cost_usd > 0
    assert len(api.requests) == 1
    lines = [line for line in started.logs().splitlines() if line.startswith("{")]
    assert json.loads(lines[-1])["event"] == "shutdown_complete"
