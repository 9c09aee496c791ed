"""Two clocks that disagree: measured, stored, entries refused; and absence is judged by the exchange's."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from execution import clock_skew, invariants
from execution.resolver import resolve_unknown
from execution.submit import submit
from tests.execution.conftest import until
from trading.clock import wall_now

BTC = "BTC-USDT-SWAP"


@pytest.fixture
def ahead(bot) -> Iterator:
    """Sets how many seconds the exchange's clock is ahead of ours."""

    def set_(seconds):
        bot.server.post("/paper/faults", {"name": "clock_skew", "seconds": seconds})

    yield set_
    set_(0)


@pytest.mark.parametrize("seconds", [5, -5])
def test_a_clock_off_by_five_seconds_is_measured_and_refuses_entries(bot, ahead, seconds):
    ahead(seconds)
    measured = clock_skew.measure(bot.ctx)
    assert abs(measured - seconds) < 1
    assert bot.state().clock_skew_s == measured
    assert invariants.check(bot.ctx) == ["clock_agrees"]
    entry = bot.intend(BTC)
    assert submit(bot.ctx, entry.id) == "denied"
    assert bot.accepted(entry.cl_ord_id) == 0
    ahead(0)
    clock_skew.measure(bot.ctx)
    assert invariants.check(bot.ctx) == []
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_clocks_that_agree_measure_nothing(bot):
    assert abs(clock_skew.measure(bot.ctx)) < 1


@pytest.mark.parametrize(("leg", "path"), [("entry", "/api/v5/trade/order"), ("close", "close-position")])
def test_absence_waits_for_the_exchanges_clock(bot, ahead, leg, path):
    if leg == "close":
        bot.enter(BTC)
    order = bot.intend(BTC) if leg == "entry" else bot.exit(BTC)
    bot.fault("request_lost", path)
    assert submit(bot.ctx, order.id) == "unknown"
    resolve_unknown(bot.ctx)
    ahead(-25)  # further, and it would refuse our signatures
    # By our clock its time is over.
    over = bot.order(order.id).submitted_at + timedelta(seconds=bot.settings.order_exp_s + bot.settings.unknown_grace_s)
    until(lambda: wall_now() > over)
    assert resolve_unknown(bot.ctx) == {order.cl_ord_id: "too_early"}
    ahead(0)
    assert resolve_unknown(bot.ctx) == {order.cl_ord_id: "missed_1"}
