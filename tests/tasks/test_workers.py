"""Real workers: what is delivered twice, forged, stalled or killed, and how a worker ends."""

import json
import os
import signal
from datetime import timedelta
from decimal import Decimal

import pytest
import redis

from models import BotState, DecisionCycle, Order
from tests.tasks.conftest import BTC, ETH, until
from trading.clock import wall_now

slots = iter(range(1, 100))


def new_cycle(bot, **columns):
    """A cycle at `collect` of a slot of its own."""
    at = bot.ctx.clock.market_now()
    values = {"inst_id": ETH, "slot": at.replace(microsecond=0) - timedelta(minutes=5 * next(slots)),
              "opened_by": "operator", "deadline": wall_now() + timedelta(minutes=5), "analyst": "rules"}  # fmt: skip
    with bot.sessions.begin() as session:
        cycle = DecisionCycle(account_id=bot.ctx.account_id, **values | columns)
        session.add(cycle)
    return cycle.id


def cycle(bot, cycle_id):
    with bot.sessions() as session:
        return session.get_one(DecisionCycle, cycle_id)


def all_accepted(bot):
    return sum(bot.audit()["accepted"].values())


@pytest.fixture
def flat(bot):
    """No position before the test, so that its entry is allowed."""
    for position in bot.okx.positions():
        bot.okx.close_position(position.inst_id, position.mgn_mode, "")
    bot.look()
    bot.protect()
    bot.look()


def test_the_workers_answer(celery_setup):
    assert celery_setup.ready(control=True)
    assert celery_setup.backend_cluster is None
    answers = celery_setup.app.control.broadcast("ping", reply=True, timeout=10, limit=3)
    assert {name for answer in answers for name in answer} == {
        "orchestrator@okxbot", "trade@okxbot", "protect@okxbot",
    }  # fmt: skip


def test_an_order_published_three_times_is_placed_once(celery_setup, worker, bot, flat, publish):
    worker("trade")
    order = bot.intend(BTC)
    publish("trade.submit", order.id)
    publish("trade.submit", order.id)
    until(lambda: bot.order(order.id).state == "live")
    celery_setup.broker.restart()
    publish("trade.submit", order.id)
    last = bot.intend(ETH)
    publish("trade.submit", last.id)  # one child, first in first out: when this one is through, so is the third
    until(lambda: bot.accepted(last.cl_ord_id) == 1)
    assert bot.accepted(order.cl_ord_id) == 1
    assert bot.held(BTC).contracts == order.sz_contracts


def stops_checked_at(bot):
    with bot.sessions() as session:
        return session.get_one(BotState, bot.ctx.account_id).protection_seen_at


def test_a_complete_check_of_the_stops_is_noted_for_the_gate(worker, bot, publish):
    worker("protect")
    asked = wall_now()
    before = stops_checked_at(bot)
    assert before is None or before < asked
    publish("protect.check")
    until(lambda: (seen := stops_checked_at(bot)) is not None and asked <= seen <= wall_now())


def test_a_check_that_cannot_read_the_stops_is_no_sign_of_life_for_the_gate(worker, bot, flat, publish):
    protect = worker("protect")
    bot.enter(ETH)  # its position-level stop is still to be placed: something to do, and to read first
    before, failed = stops_checked_at(bot), protect.logs().count('"protection_unreadable"')
    bot.fault("50026", "/api/v5/trade/orders-algo-pending", count=0)
    try:
        publish("protect.check")
        publish("protect.check")  # one child, first in first out: when this one has failed, the first has ended
        until(lambda: protect.logs().count('"protection_unreadable"') == failed + 2, within_s=60)
        assert stops_checked_at(bot) == before
    finally:
        bot.server.clear_faults()
    publish("protect.check")
    until(lambda: (seen := stops_checked_at(bot)) is not None and (before is None or seen > before))
    assert [a.close_fraction for a in bot.okx.algos_pending()] == [Decimal(1)]


def test_forged_messages_do_nothing_and_the_worker_works_on(worker, bot, flat, publish):
    trade = worker("trade")
    before, pid = all_accepted(bot), trade.container.id
    for args in ((10**9,), ("1; DROP TABLE orders",), (None,), ({"order_id": 1},), (-1,), (), (1, 2, 3)):
        publish("trade.submit", *args)
    publish("trade.submit", kwargs={"order_id": "x", "halted": False})
    publish("trade.buy_everything", 1, queue="trade")
    publish("trade.submit", 1, serializer="pickle")
    order = bot.intend(BTC)
    publish("trade.submit", order.id)
    until(lambda: bot.order(order.id).state == "live")
    assert all_accepted(bot) == before + 1
    assert (trade.container.id, trade.container.status) == (pid, "running")
    assert '"task_failed"' in trade.logs()


def test_what_is_no_message_at_all_ends_the_worker_and_is_gone_when_it_starts_again(worker, bot, flat, publish, valkey):
    """Celery takes unreadable bytes in its list for a broken broker; the supervisor starts the worker anew."""
    trade = worker("trade")
    order, before = bot.intend(BTC), all_accepted(bot)
    client = redis.Redis.from_url(valkey.url(1))
    client.lpush("okxbot:trade", b"not a message")
    client.close()
    assert trade.container.wait() != 0
    assert all_accepted(bot) == before
    publish("trade.submit", order.id)
    worker("trade")
    until(lambda: bot.order(order.id).state == "live")
    assert all_accepted(bot) == before + 1


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_cycle_whose_worker_was_killed_is_run_again_after_its_lease(worker, bot, publish, victim):
    orchestrator = worker("orchestrator")
    bot.fault("reply_delayed", "/api/v5/account/balance", seconds=30)
    cycle_id = new_cycle(bot)
    publish("cycle.run", cycle_id)
    until(lambda: cycle(bot, cycle_id).claim_token is not None)
    if victim == "child":
        for child in orchestrator.container.children():
            os.kill(child, signal.SIGKILL)
    else:
        orchestrator.kill()
    worker("orchestrator")
    with bot.sessions.begin() as session:
        left = session.get_one(DecisionCycle, cycle_id)
        assert (left.stage, left.attempt) == ("collect", 1)
        assert left.lease_until > left.created_at
        left.lease_until = wall_now() - timedelta(seconds=1)
        left.created_at = wall_now() - timedelta(seconds=5)
    until(lambda: cycle(bot, cycle_id).stage in ("done", "execute"), asking=lambda: publish("cycle.sweep"))
    stages = [entry["stage"] for entry in cycle(bot, cycle_id).stage_log]
    assert len(stages) == len(set(stages))


def test_the_trade_worker_tends_what_rests_on_the_book(worker, bot, flat, publish):
    worker("trade")
    below = bot.ctx.instrument(BTC).round_price(bot.okx.ticker(BTC).bid * Decimal("0.99"))
    order = bot.intend(BTC, ord_type="limit", px=below)
    publish("trade.submit", order.id)
    until(lambda: bot.order(order.id).state == "live")
    with bot.sessions.begin() as session:
        session.get_one(Order, order.id).deadline = wall_now() - timedelta(seconds=1)
    publish("trade.tend")
    until(lambda: bot.order(order.id).state == "canceled")
    assert bot.okx.orders_pending() == []


def test_stopped_orchestrator_and_trade_do_not_delay_a_stop(worker, bot, flat, publish):
    stalled = [worker("orchestrator"), worker("trade")]
    worker("protect")
    bot.enter(ETH)
    cycle_id = new_cycle(bot)
    for node in stalled:
        node.container.signal_group(signal.SIGSTOP)
    try:
        publish("cycle.run", cycle_id)
        publish("trade.tend")
        publish("protect.check")
        until(lambda: [a.close_fraction for a in bot.okx.algos_pending()] == [Decimal(1)])
        assert cycle(bot, cycle_id).stage == "collect"
    finally:
        for node in stalled:
            node.container.signal_group(signal.SIGCONT)
    until(lambda: cycle(bot, cycle_id).stage in ("done", "execute"))


def last_line(node):
    return json.loads([line for line in node.logs().splitlines() if line.startswith("{")][-1])


def test_an_idle_worker_told_to_stop_ends_cleanly(worker):
    orchestrator = worker("orchestrator")
    orchestrator.kill("SIGTERM")
    assert orchestrator.container.wait() == 0
    assert last_line(orchestrator)["event"] == "shutdown_complete"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_a_signal_to_the_whole_group_lets_a_running_order_finish(worker, bot, flat, publish, number, code):
    """Celery drains on both, and calls it a failure when it was interrupted."""
    trade = worker("trade")
    order = bot.intend(BTC)
    bot.fault("reply_delayed", "/api/v5/trade/order", seconds=1.5)
    publish("trade.submit", order.id)
    until(lambda: bot.order(order.id).state == "submitting")
    trade.container.signal_group(number)
    assert trade.container.wait() == code
    assert bot.order(order.id).state == "live"
    assert bot.accepted(order.cl_ord_id) == 1
    assert last_line(trade)["event"] == "shutdown_complete"
