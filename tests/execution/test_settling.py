"""A person may end an unknown outcome or lift a lock; the exchange's own word stands above theirs."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from execution import control, locks
from execution.errors import Refused
from execution.submit import submit
from models import AuditEntry, Order
from tests.execution.conftest import until
from trading.clock import wall_now

BTC = "BTC-USDT-SWAP"
PLACE = "/api/v5/trade/order"


def unknown(bot, fault):
    order = bot.intend(BTC)
    bot.fault(fault, PLACE)
    assert submit(bot.ctx, order.id) == "unknown"
    return order


def past_its_time(bot, order):
    """Wait until it can take effect no more, by the exchange's clock."""
    until(lambda: control.evidence(bot.ctx, order.cl_ord_id).time_is_up)


def settle(bot, order, *, found):
    return control.settle(bot.ctx, order.cl_ord_id, found=found, reason="I looked", actor="tester", channel="cli")


def test_an_order_the_exchange_shows_is_adopted_and_cannot_be_called_absent(bot):
    order = unknown(bot, "reply_lost_after_accept")
    assert "the exchange shows: filled" in control.evidence(bot.ctx, order.cl_ord_id).lines
    with pytest.raises(Refused, match="it is not absent"):
        settle(bot, order, found=False)
    assert settle(bot, order, found=True) == "filled"
    assert bot.locks() == set()


def test_an_order_the_exchange_does_not_show_is_absent_once_its_time_is_up(bot):
    order = unknown(bot, "request_lost")
    with pytest.raises(Refused, match="may still take effect"):
        settle(bot, order, found=False)
    past_its_time(bot, order)
    with pytest.raises(Refused, match="nothing to adopt"):
        settle(bot, order, found=True)
    assert settle(bot, order, found=False) == "absent"
    assert bot.locks() == set()
    with bot.sessions() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "settle_order")).all()
    assert (entry.actor, entry.channel, entry.detail["as"], entry.detail["reason"]) == (
        "tester", "cli", "absent", "I looked",
    )  # fmt: skip
    assert entry.detail["seen"]


def test_nothing_is_settled_while_the_exchange_is_unreadable(bot):
    order = unknown(bot, "request_lost")
    past_its_time(bot, order)
    bot.fault("http_502_html", "/api/v5/trade/orders-history", count=3)
    with pytest.raises(Refused, match="cannot be read"):
        settle(bot, order, found=False)
    assert bot.order(order.id).state == "unknown"


@pytest.mark.parametrize("found", [True, False])
def test_a_known_outcome_cannot_be_settled(bot, found):
    order = bot.enter(BTC)
    with pytest.raises(Refused, match="is known: filled"):
        settle(bot, order, found=found)
    with pytest.raises(Refused, match="there is no order"):
        control.evidence(bot.ctx, "nosuch")


def test_settling_lets_a_halted_bot_resume(bot):
    order = unknown(bot, "request_lost")
    control.halt(bot.ctx, reason="a test", actor="tester", channel="cli")
    with pytest.raises(Refused, match=order.cl_ord_id):
        control.resume(bot.ctx, actor="tester", channel="cli")
    past_its_time(bot, order)
    settle(bot, order, found=False)
    control.resume(bot.ctx, actor="tester", channel="cli")
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_a_lock_is_lifted_on_record_and_comes_back_while_its_reason_lasts(bot):
    with bot.sessions.begin() as session:
        locks.lock(session, bot.ctx.account_id, BTC, locks.LockReason.SIZE_BREAK, "a test")
    assert control.unlock(bot.ctx, BTC, reason="mended", actor="tester", channel="cli") == ["size_break"]
    assert bot.locks() == set()
    with pytest.raises(Refused, match="is not locked"):
        control.unlock(bot.ctx, BTC, reason="again", actor="tester", channel="cli")
    unknown(bot, "request_lost")
    with pytest.raises(Refused, match="settle"):
        control.unlock(bot.ctx, BTC, reason="I am sure", actor="tester", channel="cli")
    assert bot.locks() == {(BTC, "unknown_order")}


def test_absence_of_a_stop_is_judged_by_the_exchanges_clock(bot):
    """Our own clock may be wrong by more than the window: only the exchange's says when the time is up."""
    bot.enter(BTC)
    bot.fault("request_lost", "/api/v5/trade/order-algo")
    bot.protect()
    with bot.sessions.begin() as session:
        stop = session.scalars(select(Order).where(Order.leg == "stop")).one()
        stop.submitted_at = wall_now() - timedelta(hours=1)  # as a clock far behind would have written
    assert stop.state == "unknown"
    assert not control.evidence(bot.ctx, stop.cl_ord_id).time_is_up
    past_its_time(bot, stop)
