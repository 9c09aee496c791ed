"""A question from Telegram on its whole way: outbox, sweep, broker, the perplexity worker, the answer as an alert."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from models import Alert
from standins.perplexity_api import PerplexityStandin
from telegram_ui.commands.learning import research
from telegram_ui.desk import Desk, Request
from telegram_ui.present import Present
from tests.tasks.conftest import until
from tests.tasks.local_process import LocalProcess


@pytest.fixture
def api() -> Iterator[PerplexityStandin]:
    with PerplexityStandin() as standin:
        yield standin


@pytest.fixture
def researching(api, environment, checkout, tmp_path) -> Iterator[LocalProcess]:
    """The worker of the queue, with a key."""
    key = {"PERPLEXITY_API_KEY": api.key, "PERPLEXITY_BASE_URL": api.url}
    process = LocalProcess(
        "perplexity", [sys.executable, "-m", "tasks.worker", "perplexity"], tmp_path / "perplexity.log",
        lambda process: '"perplexity_started"' in process.logs(), environment={**os.environ, **environment, **key},
        folder=checkout,
    )  # fmt: skip
    process.start()
    process.ready()
    yield process
    process.teardown()


def test_a_question_comes_back_as_an_alert_once(worker, bot, publish, api, researching):
    worker("orchestrator")
    settings = bot.ctx.settings.model_copy(update={"perplexity_api_key": SecretStr(api.key)})
    desk = Desk(replace(bot.ctx, settings=settings, send=lambda *_: False), Present(None))
    answer = research(desk, Request(4711, True, 1, ("Why", "is", "BTC", "falling?")))
    assert "The researcher was asked" in answer.blocks[0]

    def told():
        with bot.sessions() as session:
            return session.scalars(select(Alert).where(Alert.kind == "research")).all()

    until(told, asking=lambda: publish("cycle.sweep"))
    (alert,) = told()
    assert alert.payload["question"] == "Why is BTC falling?"
    assert alert.payload["sources"]
    assert len(api.requests) == 1
