"""Who is heard, what is acted on and how often: the real application over the real exchange."""

import os
import re
import signal
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from models import Alert, AuditEntry, BotState, Order, TelegramConfirmation, TelegramUpdate
from telegram_ui import conversation
from telegram_ui.alerts import service
from telegram_ui.confirmations import WITHIN
from tests.telegram_ui.conftest import GUEST, OWNER, STRANGER, Talk, alone

BTC = "BTC-USDT-SWAP"


def question(api):
    """The message that waits for a yes or a no; its two buttons' data."""

    def waiting():
        return [said for said in api.said if said.chat_id == OWNER and len(said.buttons) == 2 and "Yes" in str(said)]

    api.wait(waiting)
    said = waiting()[-1]
    return said, said.buttons[0][1], said.buttons[1][1]


def audited(bot, action):
    with bot.sessions() as session:
        return [
            (row.actor, row.channel, row.detail)
            for row in session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        ]


def test_halt_is_committed_when_it_answers_and_says_what_is_true(talk, bot):
    bot.enter(BTC)
    order = bot.intend("ETH-USDT-SWAP")
    with bot.sessions.begin() as session:
        session.execute(update(Order).where(Order.id == order.id).values(state="submitting"))
    before = len(talk.said)
    talk.hear(OWNER, "/halt it <looks> wrong")
    talk.wait(lambda: any("Halted" in said.text for said in talk.said[before:] if said.chat_id == OWNER))
    said = next(said.text for said in talk.said[before:] if "<b>Halted</b> (manual)" in said.text)
    state = bot.state()
    assert (state.halted, state.halt_kind, state.halt_reason) == (True, "manual", "it <looks> wrong")
    held = bot.position(BTC)
    lines = said.splitlines()
    assert lines[:3] == [
        "🛑 <b>Halted</b> (manual): it &lt;looks&gt; wrong",
        "No entry can be sent any more.",
        f"Already on its way: {order.cl_ord_id}",
    ]
    assert re.fullmatch(rf"<b>BTC</b> long {held.contracts.normalize():f}, [+-]?[\d.]+ USDT, stop [\d,.]+", lines[3])
    assert lines[4] == "Stops stay in force. /flatten closes everything."
    assert audited(bot, "halt") == [(f"telegram:{OWNER}", "telegram", {"kind": "manual", "reason": "it <looks> wrong"})]


def test_a_second_halt_says_that_it_was_halted_already(talk, bot):
    talk.hear(OWNER, "/halt first")
    talk.wait(lambda: any("Halted" in said for said in alone(talk)))
    talk.hear(OWNER, "/halt second")
    talk.wait(lambda: any("Was halted already</b> (manual): first" in said for said in alone(talk)))


def test_a_guest_may_look_and_not_act(talk, bot):
    for command in ("/halt", "/resume", "/flatten", "/reflect", "/config max_leverage 1", "/playbook rollback 1"):
        talk.hear(GUEST, command)
    talk.hear(GUEST, "/positions")
    talk.wait(lambda: len(alone(talk, GUEST)) >= 7)
    assert sorted(alone(talk, GUEST)) == sorted(
        ["You may look, not change; TELEGRAM_ADMIN_IDS lists who may."] * 6 + ["No open position."]
    )
    assert not bot.state().halted
    assert audited(bot, "asked") == []


@pytest.mark.parametrize("more", [{}, {"chat": "group"}], ids=["in private", "in a group"])
def test_strangers_get_no_answer_and_cause_one_alert(talk, bot, more):
    for _ in range(3):
        for command in ("/halt now", "/status", "/help", "/start", "hello"):
            talk.hear(STRANGER, command, **more)
    last = talk.press(STRANGER, "go:whatever")
    talk.taken(last)
    talk.hear(OWNER, "/help")
    talk.wait(lambda: any("/status –" in said for said in alone(talk)))
    assert alone(talk, STRANGER) == []
    assert talk.answered == []
    assert not bot.state().halted
    with bot.sessions() as session:
        alerts = session.scalars(select(Alert).where(Alert.kind == "telegram_stranger")).all()
        assert session.scalar(select(func.count()).select_from(TelegramUpdate)) == 1  # the owner's
    assert len(alerts) == 1
    assert f"user id {STRANGER}" in alerts[0].message


def test_a_stranger_is_told_of_though_the_database_was_away_when_he_knocked(talk, bot, desk):
    with bot.sessions.begin() as session:
        session.execute(text("ALTER TABLE alerts RENAME TO hidden"))
    try:
        talk.taken(talk.hear(STRANGER, "/status"))
        talk.hear(OWNER, "/alerts")
        talk.wait(lambda: any("database does not answer" in each for each in alone(talk)))
    finally:
        with bot.sessions.begin() as session:
            session.execute(text("ALTER TABLE hidden RENAME TO alerts"))
    talk.hear(STRANGER, "/status")
    talk.wait(lambda: any("(user id 666, 2 so far)" in each for each in alone(talk)))


def test_a_listed_user_is_not_heard_in_a_group_nor_by_an_edit(talk, bot):
    talk.hear(OWNER, "/halt in public", chat="group")
    talk.hear(OWNER, "/halt on second thoughts", edited=True)
    talk.hear(OWNER, "/help")
    talk.wait(lambda: any("/status –" in said for said in alone(talk)))
    assert not bot.state().halted


@pytest.mark.parametrize("command", ["/halt", "/status", "/flatten"])
def test_a_stale_command_is_not_acted_on_and_says_so(talk, bot, command):
    talk.hear(OWNER, command, age_s=90)
    talk.wait(
        lambda: any(said.startswith(f"{command} is over a minute old and was not acted on") for said in alone(talk))
    )
    assert not bot.state().halted
    with bot.sessions() as session:
        assert session.scalars(select(TelegramConfirmation)).all() == []


@pytest.mark.parametrize("changes", [{"telegram_admin_ids": (), "telegram_user_ids": ()}], ids=["nobody listed"])
def test_with_nobody_listed_nobody_is_heard(talk, bot, caplog):
    last = [talk.hear(who, "/halt") for who in (OWNER, 0)][-1]
    talk.taken(last)
    talk.calls.clear()
    talk.wait(lambda: talk.calls.count("getUpdates") > 2)
    assert talk.said == []
    assert not bot.state().halted


def test_an_update_handed_out_again_is_acted_on_once(talk, bot):
    update_id = talk.hear(OWNER, "/halt once", times=5)
    talk.wait(lambda: any("Halted" in said for said in alone(talk)))
    talk.hear(OWNER, "/resume")
    talk.wait(lambda: any("Trading again" in said for said in alone(talk)))
    for _ in range(3):
        talk.repeat(update_id)
    talk.taken(talk.hear(OWNER, "/start"))
    talk.wait(lambda: any("You may look and act" in said for said in alone(talk)))
    assert not bot.state().halted
    assert len(audited(bot, "halt")) == 1


def test_a_restarted_bot_does_not_act_again_on_what_it_acted_on(desk, api, bot):
    with Talk(desk):
        first = api.hear(OWNER, "/reflect")
        api.wait(lambda: any("reflects on its closed trades now" in said for said in alone(api)))
    api.repeat(first)
    with Talk(desk):
        api.hear(OWNER, "/start")
        api.wait(lambda: any("You may look and act" in said for said in alone(api)))
    assert sum("reflects on its closed trades now" in said for said in alone(api)) == 1
    assert len(audited(bot, "reflection_asked")) == 1


def test_flatten_needs_the_second_step_and_answers_when_flat(talk, bot):
    bot.enter(BTC)
    talk.hear(OWNER, "/flatten")
    said, go, _ = question(talk)
    assert "close <b>what is ours</b>?" in said.text
    assert bot.held(BTC) is not None
    talk.press(OWNER, go, of=said, times=3)
    talk.wait(lambda: any("the exchange shows flat" in said for said in alone(talk)), 40)
    assert bot.held(BTC) is None
    assert bot.state().halt_kind == "flatten"
    assert any(said.text.endswith("→ yes") and said.buttons == () for said in talk.said)
    assert len(audited(bot, "halt")) == 1


def test_a_nonce_is_one_persons_once_and_for_a_minute(talk, bot, desk):
    talk.hear(OWNER, "/flatten")
    said, go, _ = question(talk)
    talk.press(GUEST, go, of=said)
    talk.wait(lambda: len(talk.answered) >= 1)  # people are answered side by side
    talk.press(OWNER, "go:" + "x" * 22, of=said)
    talk.wait(lambda: len(talk.answered) >= 2)
    with bot.sessions.begin() as session:
        session.execute(update(TelegramConfirmation).values(expires_at=TelegramConfirmation.expires_at - WITHIN * 2))
    talk.press(OWNER, go, of=said)
    talk.wait(lambda: len(talk.answered) >= 3)
    assert [each.split(";")[0].split(".")[0] for each in talk.answered] == [
        "You may look, not change", "Too late, or pressed before", "Too late, or pressed before"
    ]  # fmt: skip
    assert not bot.state().halted


def test_no_means_no_for_good(talk, bot):
    talk.hear(OWNER, "/flatten")
    said, go, stop = question(talk)
    talk.press(OWNER, stop, of=said)
    talk.wait(lambda: any(each.endswith("→ not done") for each in alone(talk)))
    talk.press(OWNER, go, of=said)
    talk.wait(lambda: len(talk.answered) == 2)
    assert talk.answered[1].startswith("Too late")
    assert not bot.state().halted


def test_resume_after_an_automatic_halt_asks_and_rebases(talk, bot):
    with bot.sessions.begin() as session:
        state = session.get_one(BotState, bot.ctx.account_id)
        state.halted, state.halt_kind, state.halt_reason = True, "daily_loss", "daily loss 3.1 % is over 3 %"
        state.halted_at = bot.ctx.clock.wall_now()
        state.day_baseline = state.equity * 2
        equity = state.equity
    talk.hear(OWNER, "/resume")
    said, go, _ = question(talk)
    assert "Resuming re-bases: <b>the day's baseline" in said.text
    assert bot.state().halted
    talk.press(OWNER, go, of=said)
    talk.wait(lambda: any("Trading again" in each for each in alone(talk)))
    state = bot.state()
    assert (state.halted, state.day_baseline) == (False, equity)
    assert audited(bot, "resume")[0][0] == f"telegram:{OWNER}"


def test_a_resume_confirmed_after_another_halt_is_refused(talk, bot):
    with bot.sessions.begin() as session:
        session.execute(update(BotState).values(halted=True, halt_kind="drawdown", halt_reason="10 %"))
    talk.hear(OWNER, "/resume")
    said, go, _ = question(talk)
    with bot.sessions.begin() as session:
        session.execute(update(BotState).values(halt_kind="invariant", halt_reason="I3"))
    talk.press(OWNER, go, of=said)
    talk.wait(lambda: any("the halt is another one" in each for each in alone(talk)))
    assert bot.state().halted


def test_resume_is_refused_while_an_order_is_unknown(talk, bot):
    talk.hear(OWNER, "/halt")
    talk.wait(lambda: bot.state().halted)
    order = bot.intend(BTC)
    with bot.sessions.begin() as session:
        session.execute(update(Order).where(Order.id == order.id).values(state="unknown"))
    talk.hear(OWNER, "/resume")
    talk.wait(lambda: any(each.startswith("Not resumed: the outcome of") for each in alone(talk)))
    assert bot.state().halted


def test_close_by_button_asks_first_and_closes_one_position(talk, bot):
    bot.enter(BTC)
    bot.enter("ETH-USDT-SWAP")
    talk.press(OWNER, f"ask:close:{BTC}")
    talk.wait(lambda: any(said.text.startswith("Close at the market?") for said in talk.said))
    said = next(said for said in talk.said if said.text.startswith("Close at the market?"))
    assert bot.held(BTC) is not None
    talk.press(OWNER, said.buttons[0][1], of=said)
    talk.wait(lambda: any("BTC</b> closed: the exchange shows no position" in each for each in alone(talk)), 30)
    assert (bot.held(BTC), bot.held("ETH-USDT-SWAP") is not None) == (None, True)
    ((actor, channel, detail),) = audited(bot, "close_position")
    assert (actor, channel, detail["inst_id"]) == (f"telegram:{OWNER}", "telegram", BTC)
    bot.look()
    assert [trade.exit_reason for trade in bot.trades() if trade.inst_id == BTC] == ["flatten"]


def test_a_close_confirmed_twice_at_once_closes_once(talk, bot):
    """Two people at two phones: the second finds it closed or on its way, and turns nothing round."""
    bot.enter(BTC)
    before = len(bot.audit()["accepted"])
    for _ in range(2):
        talk.press(OWNER, f"ask:close:{BTC}")
    talk.wait(lambda: sum(said.text.startswith("Close at the market?") for said in talk.said) == 2)
    for said in [said for said in talk.said if said.text.startswith("Close at the market?")]:
        talk.press(OWNER, said.buttons[0][1], of=said)
    answers = ("closed: the exchange shows no position", "Not closed", "no position in BTC any more")
    talk.wait(lambda: sum(any(words in each for words in answers) for each in alone(talk)) == 2, 30)
    assert any(answers[0] in each for each in alone(talk))
    assert bot.held(BTC) is None
    assert len(bot.audit()["accepted"]) == before + 1


def test_a_stop_moves_to_break_even_by_button_or_says_why_not(talk, bot):
    bot.enter(BTC)
    bot.protect()
    bot.look()
    talk.press(OWNER, f"ask:even:{BTC}")
    said, go, _ = question(talk)
    assert said.text.startswith("Move the stop to break-even")
    talk.press(OWNER, go, of=said)
    # Just entered, break-even lies beyond the price: a stop there would trigger at once.
    talk.wait(lambda: any(each.startswith("Not moved: BTC-USDT-SWAP is at") for each in alone(talk)), 30)
    assert bot.held(BTC) is not None


def test_closing_what_is_gone_says_so(talk, bot):
    talk.press(OWNER, f"ask:close:{BTC}")
    talk.wait(lambda: any("no position in BTC any more" in each for each in alone(talk)))


def test_a_tightened_limit_is_confirmed_stored_and_never_loosened(talk, bot):
    talk.hear(OWNER, "/config max_open_positions 1")
    said, go, _ = question(talk)
    talk.press(OWNER, go, of=said)
    talk.wait(lambda: any("max_open_positions</b> 3 → 1" in each for each in alone(talk)))
    talk.hear(OWNER, "/config max_open_positions 2")
    talk.wait(lambda: any("is 1; only lower values" in each for each in alone(talk)))
    ((actor, _, detail),) = audited(bot, "limit_tightened")
    assert (actor, detail) == (f"telegram:{OWNER}", {"key": "max_open_positions", "before": "3", "after": "1"})


@contextmanager
def silent(bot):
    """Every connection there is, stopped, as a cut network leaves them; a new one waits for a lock."""
    with bot.sessions() as session:
        session.execute(text("LOCK TABLE bot_state IN ACCESS EXCLUSIVE MODE"))
        hung = session.scalars(
            text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        ).all()
        assert hung
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in hung:
                os.kill(pid, signal.SIGCONT)


def test_halt_answers_that_nothing_is_known_when_the_database_hangs(talk, bot, monkeypatch):
    """As a cut network leaves it: connected, and silent."""
    monkeypatch.setattr(conversation, "HALT_WITHIN_S", 1.0)
    talk.hear(OWNER, "/status")
    talk.wait(lambda: any("Running" in said for said in alone(talk)))
    with silent(bot):
        talk.hear(OWNER, "/halt")
        talk.wait(lambda: any("Whether the halt took effect is NOT known" in said for said in alone(talk)), 30)
    talk.hear(OWNER, "/halt again")
    talk.wait(lambda: any("alted" in said and "No entry" in said for said in alone(talk)), 30)
    assert bot.state().halted


def test_a_database_that_hangs_is_told_of_unasked(talk, bot, monkeypatch):
    monkeypatch.setattr(service, "WITHIN_S", 1.0)
    monkeypatch.setattr(service, "DATABASE_PATIENCE_S", 0.5)
    talk.hear(OWNER, "/status")
    talk.wait(lambda: any("Running" in said for said in alone(talk)))
    with silent(bot):
        talk.wait(lambda: any("The database does not answer.</b> No entry" in said for said in alone(talk)), 30)
    talk.wait(lambda: any("The database answers again" in said for said in alone(talk)), 60)


def test_halt_answers_that_nothing_is_known_when_the_database_is_away(talk, bot, desk):
    with bot.sessions.begin() as session:
        session.execute(text("ALTER TABLE bot_state RENAME TO hidden"))
    try:
        talk.hear(OWNER, "/halt")
        talk.wait(lambda: any("Whether the halt took effect is NOT known" in each for each in alone(talk)))
        talk.hear(OWNER, "/status")
        talk.wait(lambda: any("Nothing was changed." in each for each in alone(talk)))
    finally:
        with bot.sessions.begin() as session:
            session.execute(text("ALTER TABLE hidden RENAME TO bot_state"))
    talk.hear(OWNER, "/halt again")
    talk.wait(lambda: any("<b>Halted</b> (manual): again" in each for each in alone(talk)))


def test_the_command_menu_is_registered(talk, bot):
    talk.wait(lambda: len(talk.commands) == 16)
    assert {"halt", "flatten", "why", "chart"} <= set(talk.commands)


def test_the_minute_of_a_nonce():
    assert timedelta(seconds=60) == WITHIN
