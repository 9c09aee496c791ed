"""A slot is opened once; what a lost message or a dead worker left behind is found again, and not sent for ever."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select, update

from execution import outbox
from models import BotState, DecisionCycle, JobRun, Order, OutboxMessage
from pipeline import opening
from pipeline.sweep import RESEND_S, purge, sweep
from trading.clock import wall_now
from trading.decision import Action

BTC = "BTC-USDT-SWAP"


def later(desk, cycle_id, **columns):
    """A cycle as old as a sweep wants it."""
    desk.change(cycle_id, created_at=wall_now() - timedelta(seconds=5), **columns)


def test_a_slot_opened_twice_is_one_cycle(desk):
    assert opening.open_cycle(desk.ctx, BTC, desk.slot, "feed") is not None
    assert opening.open_cycle(desk.ctx, BTC, desk.slot, "beat") is None
    with desk.bot.sessions() as session:
        assert [c.opened_by for c in session.scalars(select(DecisionCycle))] == ["feed"]


def test_feed_and_beat_at_once_open_one_cycle(desk, in_threads):
    opened = in_threads([lambda: opening.open_cycle(desk.ctx, BTC, desk.slot, "feed")] * 4)
    assert sum(cycle_id is not None for cycle_id in opened) == 1


def test_a_bot_that_is_draining_opens_nothing(desk):
    with desk.bot.sessions.begin() as session:
        session.execute(update(BotState).values(state="draining"))
    assert opening.open_cycle(desk.ctx, BTC, desk.slot, "feed") is None


def test_a_new_cycle_is_not_swept(desk):
    desk.cycle()
    assert sweep(desk.ctx) == 0
    assert desk.bot.sent == []


def test_a_cycle_whose_message_was_lost_is_sent_again_and_then_left_in_peace(desk):
    cycle_id = desk.cycle()
    later(desk, cycle_id)
    assert sweep(desk.ctx) == 1
    assert sweep(desk.ctx) == 0
    assert desk.bot.sent == [("cycle.run", "cycle", [cycle_id])]
    later(desk, cycle_id, lease_until=wall_now() - timedelta(seconds=RESEND_S))
    assert sweep(desk.ctx) == 1


def test_what_the_sweep_sent_again_can_be_claimed_at_once(desk):
    cycle_id = desk.decided(Action.HOLD)
    later(desk, cycle_id)
    sweep(desk.ctx)
    assert desk.advance(cycle_id) == "done"


def test_a_dead_workers_cycle_is_run_again_after_its_lease_and_the_dead_one_may_not_write(desk):
    cycle_id = desk.decided(Action.HOLD)
    later(desk, cycle_id, claim_token="5f0c1a52-5a5b-4a55-8a55-0123456789ab",
          lease_until=wall_now() + timedelta(seconds=5))  # fmt: skip
    assert sweep(desk.ctx) == 0
    later(desk, cycle_id, lease_until=wall_now() - timedelta(seconds=1))
    assert sweep(desk.ctx) == 1
    assert desk.row(cycle_id).claim_token is None
    assert desk.advance(cycle_id) == "done"


def test_a_retry_is_sent_when_its_time_has_come(desk):
    cycle_id = desk.cycle()
    desk.change(cycle_id, not_before=wall_now() + timedelta(seconds=30))
    assert sweep(desk.ctx) == 0
    desk.change(cycle_id, not_before=wall_now() - timedelta(milliseconds=1))
    assert sweep(desk.ctx) == 1


def test_an_intent_nobody_sent_is_asked_for_again_on_its_queue(desk):
    order = desk.bot.intend(BTC)
    desk.bot.sent.clear()
    assert ("trade.submit", "trade", [order.id]) not in desk.bot.sent
    with desk.bot.sessions.begin() as session:
        session.execute(update(Order).values(created_at=wall_now() - timedelta(seconds=5)))
    sweep(desk.ctx)
    assert desk.bot.sent.count(("trade.submit", "trade", [order.id])) == 1


def test_an_intent_past_its_deadline_is_ended_instead(desk):
    order = desk.bot.intend(BTC, deadline=wall_now() - timedelta(seconds=1))
    desk.change(order.cycle_id, stage="execute", lease_until=wall_now() + timedelta(hours=1))
    with desk.bot.sessions.begin() as session:
        session.execute(update(Order).values(created_at=wall_now() - timedelta(seconds=5)))
    desk.bot.sent.clear()
    sweep(desk.ctx)
    assert desk.bot.order(order.id).state == "expired"
    assert desk.bot.sent == [("account.confirm", "account", [order.cycle_id])]
    assert desk.advance(order.cycle_id, "account") == "journal"
    assert desk.advance(order.cycle_id) == "done"
    assert desk.row(order.cycle_id).outcome == "expired"


def test_messages_that_could_not_be_published_leave_with_the_sweep(desk):
    mute = replace(desk.bot.ctx, send=lambda task, queue, args: False)
    with outbox.transaction(mute) as session:
        outbox.post(session, "protect.check", "protect", [])
    with desk.bot.sessions.begin() as session:
        session.execute(update(OutboxMessage).values(created_at=wall_now() - timedelta(seconds=5)))
    assert sweep(desk.ctx) == 1
    assert desk.bot.sent == [("protect.check", "protect", [])]


def test_the_purge_drops_only_what_is_old(desk):
    with desk.bot.sessions.begin() as session:
        for days, task in ((2, "old"), (0, "new")):
            session.add(OutboxMessage(task=task, queue="cycle", args=[], sent_at=wall_now() - timedelta(days=days)))
        for days, job in ((8, "old"), (1, "new")):
            session.add(JobRun(account_id=desk.bot.ctx.account_id, job=job, slot=desk.slot,
                               started_at=wall_now() - timedelta(days=days)))  # fmt: skip
    purge(desk.bot.ctx)
    with desk.bot.sessions() as session:
        assert "old" not in session.scalars(select(OutboxMessage.task)).all()
        assert "new" in session.scalars(select(OutboxMessage.task)).all()
        assert set(session.scalars(select(JobRun.job))) == {"new", "purge"}
