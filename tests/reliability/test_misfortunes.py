"""What machines and clocks do to a bot: each time one order at most, and books that equal the exchange."""

import json
import resource
import signal
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from time import monotonic, sleep

import pytest

from execution.resolver import resolve_unknown
from execution.submit import submit
from models import BotState, Order
from soak import crash, desk
from soak.lean import BTC

PLACE = "/trade/order$"


@pytest.fixture(scope="module", autouse=True)
def _workers(stack):
    stack.start_workers("trade", "protect")


@pytest.fixture(autouse=True)
def _flat_afterwards(stack):
    yield
    stack.exchange.clear_faults()
    crash.clear(stack)


@pytest.fixture
def silent(stack):
    """The context of an intent whose message the test sends itself."""
    return replace(stack.ctx, send=lambda task, queue, args: False)


def state(stack, order):
    with stack.ctx.sessions() as session:
        return session.get_one(Order, order.id).state


def until_state(stack, order, *wanted, within_s=15):
    deadline = monotonic() + within_s
    while state(stack, order) not in wanted:
        assert monotonic() < deadline, f"still {state(stack, order)}"
        sleep(0.02)


def accepted(stack, order):
    (account,) = stack.exchange.get("/paper/audit")["accounts"].values()
    return account["accepted"].get(order.cl_ord_id, 0)


def test_a_cold_shutdown_in_mid_call_loses_no_order(stack, silent):
    """SIGQUIT ends a Celery worker without waiting for its task."""
    worker = stack.worker("trade")
    order = desk.intend_entry(silent, BTC)
    stack.fault("reply_delayed", PLACE, seconds=1.2)
    stack.publish("trade.submit", order.id)
    until_state(stack, order, "submitting")
    worker.process.send_signal(signal.SIGQUIT)
    worker.process.wait(20)
    assert crash.converge(stack) == []
    assert (state(stack, order), accepted(stack, order)) == ("filled", 1)


def test_no_entry_rests_on_the_book_when_the_bot_has_stopped(stack, silent):
    worker = stack.worker("trade")
    order = desk.intend_entry(silent, BTC)
    with stack.ctx.sessions.begin() as session:
        row = session.get_one(Order, order.id)
        row.ord_type, row.px = "limit", silent.instrument(BTC).round_price(row.px * Decimal("0.99"))
    stack.publish("trade.submit", order.id)
    until_state(stack, order, "live")
    stack.publish("trade.tend")
    assert crash.converge(stack) == []
    assert [o.cl_ord_id for o in stack.ctx.exchange.orders_pending()] == [order.cl_ord_id], "it may rest"
    assert worker.stop() == 0
    assert stack.ctx.exchange.orders_pending() == []
    assert state(stack, order) == "canceled"
    assert json.loads(worker.log().splitlines()[-1])["event"] == "shutdown_complete"


def test_a_worker_out_of_memory_sends_once_or_not_at_all(stack, silent):
    worker = stack.worker("trade")
    (child,) = worker.children()
    order = desk.intend_entry(silent, BTC)
    before = resource.prlimit(child, resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
    stack.publish("trade.submit", order.id)
    sleep(1.5)
    if child in worker.children():
        resource.prlimit(child, resource.RLIMIT_AS, before)
    assert crash.converge(stack) == []
    assert state(stack, order) in ("filled", "absent")
    assert accepted(stack, order) == (state(stack, order) == "filled")


def test_an_exchange_five_seconds_ahead_discards_what_is_too_late_for_it(stack, silent):
    stack.fault("clock_skew", "", seconds=5)
    order = desk.intend_entry(silent, BTC)
    submit(silent, order.id)
    assert crash.converge(stack) == []
    assert state(stack, order) in ("rejected", "absent")
    assert accepted(stack, order) == 0


def test_absence_is_proved_by_the_exchanges_clock_five_seconds_behind(stack, silent):
    """By our clock the request can take effect no more; by the exchange's it still could."""
    stack.fault("clock_skew", "", seconds=-5)
    order = desk.intend_entry(silent, BTC)
    stack.fault("request_lost", PLACE)
    assert submit(silent, order.id) == "unknown"
    began = monotonic()
    while monotonic() - began < 3:
        assert resolve_unknown(silent)[order.cl_ord_id] == "too_early"
        sleep(0.3)
    stack.exchange.clear_faults()
    stack.fault("clock_skew", "", seconds=0)
    assert crash.converge(stack) == []
    assert state(stack, order) == "absent"


def test_midnight_of_the_market_in_mid_order(stack, silent):
    """The reply comes on another UTC day than the request left on."""
    now = stack.ctx.clock.market_now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    stack.exchange.advance(int((midnight - now) / timedelta(minutes=5)) - 1)
    assert crash.converge(stack) == []
    stack.worker("trade")
    order = desk.intend_entry(silent, BTC)
    stack.fault("reply_delayed", PLACE, seconds=1)
    stack.publish("trade.submit", order.id)
    until_state(stack, order, "submitting")
    stack.exchange.advance(1)
    assert stack.ctx.clock.market_now() == midnight
    assert crash.converge(stack) == []
    assert (state(stack, order), accepted(stack, order)) == ("filled", 1)
    with stack.ctx.sessions() as session:
        bot = session.get_one(BotState, stack.ctx.account_id)
    assert bot.day == midnight.date()
    assert bot.day_baseline is not None
    assert not bot.halted
