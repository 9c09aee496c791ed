"""A person's question is answered once and told as an alert: the real researcher against a stand-in of its API."""

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from brain.perplexity_research import PerplexityResearcher
from execution import notices
from models import Alert, AuditEntry
from pipeline.asking import answer_question
from standins.perplexity_api import PerplexityStandin
from standins.server import Fault


@pytest.fixture
def api():
    with PerplexityStandin() as standin:
        yield standin


@pytest.fixture
def researcher(desk, api):
    changed = {"perplexity_api_key": SecretStr(api.key), "perplexity_base_url": api.url, "perplexity_budget_s": 3}
    settings = desk.ctx.settings.model_copy(update=changed)
    on = desk.bot.ctx
    return PerplexityResearcher.from_settings(settings, on.sessions, on.clock, on.account_id)


def asked(bot, action="research_asked"):
    with bot.sessions.begin() as session:
        notices.audit(
            session, bot.ctx.account_id, "telegram:1", "telegram", action, {"question": "Why is BTC falling?"}
        )
        session.flush()
        return session.scalars(select(AuditEntry.id).order_by(AuditEntry.id.desc())).first()


def told(bot):
    with bot.sessions() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == "research")))


def test_a_question_is_answered_once_with_its_sources(desk, api, researcher):
    bot = desk.bot
    question_id = asked(bot)
    done = [answer_question(bot.sessions, bot.ctx.account_id, researcher, question_id) for _ in range(2)]
    assert (done, len(api.requests)) == ([True, False], 1)
    (alert,) = told(bot)
    assert "Why is BTC falling?" in str(api.requests[0])
    assert (alert.severity, alert.payload["question"]) == ("INFO", "Why is BTC falling?")
    assert alert.payload["sources"]
    assert not alert.message.startswith("no research")


def test_what_could_not_be_found_out_is_told_with_the_reason(desk, api, researcher):
    api.faults += [Fault("status", status=401, text="{}")]
    assert answer_question(desk.bot.sessions, desk.bot.ctx.account_id, researcher, asked(desk.bot))
    assert told(desk.bot)[0].message.startswith("no research: ")


def test_what_is_no_question_is_not_asked(desk, api, researcher):
    bot = desk.bot
    for nothing in (asked(bot, "halt"), 10**9):
        assert not answer_question(bot.sessions, bot.ctx.account_id, researcher, nothing)
    assert (api.requests, told(bot)) == ([], [])
