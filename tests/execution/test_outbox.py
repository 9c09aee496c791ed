"""Messages: after the commit, never before; lost ones again; a rolled-back change sends nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from execution import outbox
from models import OutboxMessage
from trading.clock import wall_now


def unsent(bot):
    with bot.sessions() as session:
        return [m.args for m in session.scalars(select(OutboxMessage).where(OutboxMessage.sent_at.is_(None)))]


def older(bot, seconds):
    with bot.sessions.begin() as session:
        at = wall_now() - timedelta(seconds=seconds)
        session.execute(update(OutboxMessage).values(created_at=at, not_before=None))


def test_a_rolled_back_change_sends_nothing(bot):
    with pytest.raises(RuntimeError), outbox.transaction(bot.ctx) as session:
        outbox.post(session, "cycle.run", "cycle", [1])
        raise RuntimeError("it was not to be")
    assert (bot.sent, unsent(bot)) == ([], [])


def test_nothing_is_sent_before_the_commit(bot):
    with outbox.transaction(bot.ctx) as session:
        outbox.post(session, "cycle.run", "cycle", [1])
        session.flush()
        assert bot.sent == []
    assert bot.sent == [("cycle.run", "cycle", [1])]


def test_what_could_not_be_sent_is_sent_by_the_sweep(bot):
    mute = replace(bot.ctx, send=lambda task, queue, args: False)
    with outbox.transaction(mute) as session:
        outbox.post(session, "cycle.run", "cycle", [7])
    assert unsent(bot) == [[7]]
    assert outbox.relay(bot.ctx) == 0  # not overdue yet
    older(bot, 5)
    assert outbox.relay(bot.ctx) == 1
    assert bot.sent == [("cycle.run", "cycle", [7])]
    assert outbox.relay(bot.ctx) == 0


def test_a_delayed_message_waits_for_its_time(bot):
    with outbox.transaction(bot.ctx) as session:
        outbox.post(session, "cycle.run", "cycle", [1], not_before=wall_now() + timedelta(hours=1))
    assert bot.sent == []
    assert outbox.relay(bot.ctx) == 0
    with bot.sessions.begin() as session:
        session.execute(update(OutboxMessage).values(not_before=wall_now()))
    assert outbox.relay(bot.ctx) == 1


def test_old_messages_are_deleted(bot):
    with outbox.transaction(bot.ctx) as session:
        outbox.post(session, "cycle.run", "cycle", [1])
    with bot.sessions.begin() as session:
        session.execute(update(OutboxMessage).values(sent_at=wall_now() - timedelta(days=2)))
    assert outbox.purge(bot.ctx) == 1
