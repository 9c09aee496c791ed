"""Whatever is delivered twice, lost, late or killed: at most one order, and in the end the books equal the exchange."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from execution import control
from execution.errors import DuplicateIntent
from execution.failpoints import POINTS
from execution.resolver import resolve_unknown
from execution.submit import submit
from trading.clock import wall_now
from trading.decision import Action

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
PLACE = "/api/v5/trade/order"


def resolved(bot, order, within_s=15.0):
    """Look until the order's outcome is known; the state it ended in."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        resolve_unknown(bot.ctx)
        state = bot.order(order.id).state
        if state not in ("unknown", "submitting"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"still {state}")


def test_racing_deliveries_send_one_order(bot):
    order = bot.intend(BTC)
    start = threading.Barrier(6)
    states = []

    def deliver():
        start.wait()
        states.append(submit(bot.ctx, order.id))

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["live"] + ["not_claimed"] * 5
    assert bot.accepted(order.cl_ord_id) == 1


def test_a_second_open_entry_in_an_instrument_is_a_duplicate(bot):
    bot.intend(BTC)
    with pytest.raises(DuplicateIntent):
        bot.intend(BTC, Action.OPEN_SHORT)
    assert bot.intend(ETH).state == "intended"


def test_reply_lost_after_accept_leaves_order_unknown_until_seen(bot):
    order = bot.intend(BTC)
    bot.fault("reply_lost_after_accept", PLACE)
    assert submit(bot.ctx, order.id) == "unknown"
    assert bot.locks() == {(BTC, "unknown_order")}
    assert submit(bot.ctx, order.id) == "not_claimed"
    assert resolved(bot, order) == "filled"
    assert bot.locks() == set()
    assert bot.accepted(order.cl_ord_id) == 1


def test_request_lost_is_absent_only_after_proof(bot):
    order = bot.intend(BTC)
    bot.fault("request_lost", PLACE)
    assert submit(bot.ctx, order.id) == "unknown"
    assert resolve_unknown(bot.ctx) == {order.cl_ord_id: "too_early"}
    assert resolved(bot, order) == "absent"
    assert bot.order(order.id).misses == 3
    assert bot.locks() == set()
    assert bot.accepted(order.cl_ord_id) == 0


def test_an_order_seen_at_the_exchange_does_not_wait_for_its_reply(bot):
    """As when its worker died after the call: found is evidence at any time, while a miss so early would be none."""
    order = bot.intend(BTC)
    bot.fault("reply_delayed", PLACE, seconds=1.3)
    waiting = threading.Thread(target=submit, args=(bot.ctx, order.id))
    waiting.start()
    while not bot.accepted(order.cl_ord_id):
        time.sleep(0.02)
    resolve_unknown(bot.ctx)
    assert bot.order(order.id).state == "submitting", "a call that young is left alone"
    time.sleep(1.05)
    resolve_unknown(bot.ctx)
    assert bot.order(order.id).state == "filled"
    assert bot.locks() == set()
    waiting.join()
    assert bot.order(order.id).state == "filled"


def test_a_failed_read_proves_no_absence(bot):
    order = bot.intend(BTC)
    bot.fault("request_lost", PLACE)
    submit(bot.ctx, order.id)
    time.sleep(1.3)
    bot.fault("http_502_html", "/api/v5/trade/orders-history", count=3)
    assert resolve_unknown(bot.ctx) == {order.cl_ord_id: "unreadable"}
    assert bot.order(order.id).misses == 0


@pytest.mark.parametrize("code", ["50001", "50004", "50013", "50026", "51149"])
@pytest.mark.parametrize("placed", [True, False])
def test_codes_that_say_neither_yes_nor_no(bot, code, placed):
    order = bot.intend(BTC)
    bot.fault("code", PLACE, code=code, placed=placed)
    assert submit(bot.ctx, order.id) == "unknown"
    assert resolved(bot, order) == ("filled" if placed else "absent")
    assert bot.accepted(order.cl_ord_id) == (1 if placed else 0)


def test_a_page_instead_of_json_is_unknown(bot):
    order = bot.intend(BTC)
    bot.fault("http_502_html", PLACE)
    assert submit(bot.ctx, order.id) == "unknown"
    assert resolved(bot, order) in ("filled", "absent")


def test_a_plain_refusal_is_rejected_with_its_code(bot):
    order = bot.intend(BTC, contracts="1000")  # more than the account can pay for
    assert submit(bot.ctx, order.id) == "rejected"
    assert bot.order(order.id).last_code == "51008"
    assert bot.locks() == set()


def test_an_entry_that_cannot_fill_whole_leaves_nothing(bot):
    market = bot.market(BTC)
    order = bot.intend(BTC, px=bot.ctx.instrument(BTC).round_price(market.bid * 99 / 100))
    assert submit(bot.ctx, order.id) == "live"
    bot.look()
    assert bot.order(order.id).state == "canceled"
    assert bot.held(BTC) is None
    assert bot.okx.algos_pending() == []


def test_an_old_decision_is_not_sent(bot):
    order = bot.intend(BTC, deadline=wall_now() - timedelta(seconds=1))
    assert submit(bot.ctx, order.id) == "expired"
    assert bot.accepted(order.cl_ord_id) == 0


def test_a_price_that_ran_away_is_not_chased(bot):
    market = bot.market(BTC)
    order = bot.intend(BTC, reference_px=market.last * 101 / 100)
    assert submit(bot.ctx, order.id) == "expired"
    assert "moved" in bot.order(order.id).last_message


def test_an_unreadable_price_sends_no_entry(bot):
    order = bot.intend(BTC)
    bot.fault("http_502_html", "/api/v5/market/ticker", count=3)
    assert submit(bot.ctx, order.id) == "expired"
    assert bot.accepted(order.cl_ord_id) == 0


def test_no_entry_before_the_first_reconciliation(unbound):
    order = unbound.intend(BTC)
    assert submit(unbound.ctx, order.id) == "denied"
    assert unbound.order(order.id).last_code == "not_reconciled"


def test_draining_sends_no_entry_but_closes(bot):
    bot.enter(BTC)
    entry = bot.intend(ETH)
    control.set_state(bot.ctx, "draining")
    assert submit(bot.ctx, entry.id) == "denied"
    assert submit(bot.ctx, bot.exit(BTC).id) == "live"


def test_a_lost_close_is_tried_again_as_a_new_intent(bot):
    bot.enter(BTC)
    bot.protect()
    order = bot.exit(BTC)
    bot.fault("request_lost", "close-position")
    assert submit(bot.ctx, order.id) == "unknown"
    assert resolved(bot, order) == "absent"
    task, queue, (again,) = next(m for m in reversed(bot.sent) if m[0] == "protect.submit")
    assert (task, queue) == ("protect.submit", "protect")
    assert bot.order(again).cl_ord_id != order.cl_ord_id
    assert submit(bot.ctx, again) == "live"
    bot.look()
    assert bot.held(BTC) is None


WORKER = """
import sys
from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution.binding import read_binding
from execution.context import ExecutionContext
from execution.submit import submit
from models.session import build_engine, build_sessions
from settings import PaperSettings
import json
url, order_id, settings = sys.argv[1], int(sys.argv[2]), PaperSettings(**json.loads(sys.argv[3]))
sessions = build_sessions(build_engine(url, "tests"))
binding = read_binding(sessions)
ctx = ExecutionContext(sessions, OkxExchange.from_settings(settings), build_clock(settings), settings,
                       binding.account_id, binding.order_prefix, lambda *message: False)
print(submit(ctx, order_id))
"""


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_any_point_leaves_one_order_or_none(bot, database_url, checkout, point):
    order = bot.intend(BTC)
    if point == "after_request_written":
        bot.fault("reply_delayed", PLACE, seconds=1.2)
    given = bot.settings.model_dump(mode="json", include={
        "okx_rest_url", "paper_speed", "paper_account_file", "order_exp_s", "unknown_grace_s", "http_timeout_s",
    })  # fmt: skip
    worker = subprocess.run(
        [sys.executable, "-c", WORKER, database_url, str(order.id), json.dumps(given)],
        cwd=checkout, env={**os.environ, "OKXBOT_TEST_FAILPOINT": point}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert worker.returncode == -9, worker.stderr
    submit(bot.ctx, order.id)  # what the sweep sends again
    state = resolved(bot, order)
    bot.look()
    assert state == ("absent" if point == "after_claim" else "filled") or bot.order(order.id).state == "filled"
    assert bot.accepted(order.cl_ord_id) == (0 if state == "absent" else 1)
    held = bot.held(BTC)
    assert (held.contracts if held else 0) == (bot.position(BTC).contracts if bot.position(BTC) else 0)
    assert bot.locks() == set()
