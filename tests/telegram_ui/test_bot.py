"""The owner's phone: what a listed user says is done and answered with what is true; nobody else is heard."""

import asyncio
import threading
from dataclasses import replace

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from models import Alert, AuditEntry, Order
from telegram_ui.bot import build_application
from tests.execution.conftest import bot, exchange_server, sessions, settings, unbound  # noqa: F401
from tests.telegram_ui.bot_api import TOKEN, BotApi

OWNER, STRANGER = 4711, 666


class Talk:
    """The real application, polling, in a thread of its own."""

    def __init__(self, application):
        self._application = application
        self._stop = None
        self._polling = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._polling.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._application as running:
            await running.start()
            await running.updater.start_polling(timeout=1, allowed_updates=["message"])
            self._polling.set()
            await self._stop.wait()
            await running.updater.stop()
            await running.stop()


@pytest.fixture
def api():
    with BotApi() as server:
        yield server


@pytest.fixture
def listed():
    """Who may command."""
    return (OWNER,)


@pytest.fixture
def talk(bot, api, listed):  # noqa: F811
    changed = bot.settings.model_copy(update={"telegram_bot_token": SecretStr(TOKEN), "telegram_user_ids": listed})
    ctx = replace(bot.ctx, settings=changed)
    with Talk(build_application(changed, ctx, base_url=api.base_url)):
        yield api


def answer(api):
    """The next thing the bot says."""
    ((chat, text),) = api.answers(1)
    assert chat == OWNER
    return text


def test_status_tells_a_listed_user_what_the_bot_does(talk, bot):  # noqa: F811
    bot.enter("BTC-USDT-SWAP")
    talk.hear(OWNER, "/status")
    said = answer(talk)
    assert said.startswith("running · paper · analyst rules\nequity ")
    position = bot.position("BTC-USDT-SWAP")
    assert f"BTC-USDT-SWAP long {position.contracts:f}" in said
    assert f"stop {position.stop_px:f}" in said
    assert "NO STOP" not in said


def test_halt_is_committed_when_it_answers_and_lists_what_was_on_its_way(talk, bot):  # noqa: F811
    order = bot.intend("BTC-USDT-SWAP")
    with bot.sessions.begin() as session:
        session.execute(update(Order).where(Order.id == order.id).values(state="submitting"))
    talk.hear(OWNER, "/halt it looks wrong")
    said = answer(talk)
    state = bot.state()
    assert (state.halted, state.halt_kind, state.halt_reason) == (True, "manual", "it looks wrong")
    assert said == f"Halted (manual): it looks wrong\nalready on its way: {order.cl_ord_id}"
    with bot.sessions() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "halt")).one()
    assert (entry.actor, entry.channel) == (f"telegram:{OWNER}", "telegram")


def test_a_second_halt_says_that_it_was_halted_already(talk, bot):  # noqa: F811
    talk.hear(OWNER, "/halt first")
    talk.hear(OWNER, "/halt second")
    talk.hear(OWNER, "/status")
    said = [text for _, text in talk.answers(3)]
    assert said[1] == "Was halted already (manual): first"
    assert said[2].startswith("HALTED (manual): first · paper")


@pytest.mark.parametrize("more", [{}, {"chat": "group"}], ids=["in private", "in a group"])
def test_a_stranger_gets_no_answer_and_changes_nothing(talk, bot, more):  # noqa: F811
    for command in ("/halt now", "/status", "/help", "/start"):
        talk.hear(STRANGER, command, **more)
    talk.hear(OWNER, "/help")  # updates are taken in order: when this is answered, those have been passed over
    assert "/halt" in answer(talk)
    assert not bot.state().halted
    with bot.sessions() as session:
        assert session.scalars(select(Alert).where(Alert.kind == "halted")).all() == []


def test_a_listed_user_is_not_heard_in_a_group(talk, bot):  # noqa: F811
    talk.hear(OWNER, "/halt in public", chat="group")
    talk.hear(OWNER, "/help")
    assert "/status" in answer(talk)
    assert not bot.state().halted


def test_a_stale_halt_is_not_acted_on_and_says_so(talk, bot):  # noqa: F811
    talk.hear(OWNER, "/halt", age_s=90)
    assert "over a minute old" in answer(talk)
    assert not bot.state().halted


def test_an_edited_message_is_not_acted_on(talk, bot, caplog):  # noqa: F811
    talk.hear(OWNER, "/halt on second thoughts", edited=True)
    talk.hear(OWNER, "/help")
    assert "/status" in answer(talk)
    assert not bot.state().halted
    assert [r for r in caplog.records if r.name.startswith("telegram") and r.levelname == "ERROR"] == []


@pytest.mark.parametrize("listed", [()], ids=["nobody listed"])
def test_with_nobody_listed_nobody_is_heard(talk, bot):  # noqa: F811
    talk.hear(OWNER, "/halt")
    talk.hear(0, "/halt")
    polls = talk.calls.count("getUpdates")
    while talk.calls.count("getUpdates") < polls + 2:  # the next poll confirms that both were taken
        pass
    assert talk.said == []
    assert not bot.state().halted
