"""Whatever is delivered twice, lost, late or killed: at most one order, and in the end the books equal the exchange."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from exchange.transport import SIGNED_FOR
from execution import claimant, control
from execution.errors import DuplicateIntent
from execution.failpoints import POINTS
from execution.resolver import LOOK_AFTER, resolve_unknown, time_is_up
from execution.submit import submit
from models import Order, OrderEvent
from tests.execution.conftest import until
from trading.clock import wall_now
from trading.decision import Action

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
PLACE = "/api/v5/trade/order"


def events(bot, order):
    with bot.sessions() as session:
        return session.scalars(select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.id)).all()


def resolved(bot, order, within_s=60.0):
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
    bot.fault("reply_delayed", PLACE, seconds=2.5)
    waiting = threading.Thread(target=submit, args=(bot.ctx, order.id))
    waiting.start()
    until(lambda: bot.accepted(order.cl_ord_id))
    resolve_unknown(bot.ctx)
    young = wall_now() - bot.order(order.id).submitted_at < LOOK_AFTER
    assert bot.order(order.id).state == "submitting" or not young, "a call that young is left alone"
    until(lambda: resolve_unknown(bot.ctx) == {} and bot.order(order.id).state != "submitting")
    (found,) = [event for event in events(bot, order) if event.from_state == "submitting"]
    assert (found.to_state, found.source) == ("filled", "resolver")
    assert bot.locks() == set()
    waiting.join()
    assert bot.order(order.id).state == "filled"


def test_a_failed_read_proves_no_absence(bot):
    order = bot.intend(BTC)
    bot.fault("request_lost", PLACE)
    submit(bot.ctx, order.id)
    until(lambda: time_is_up(bot.ctx, bot.order(order.id))[1])
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


@pytest.mark.parametrize("seen", [True, False])
def test_an_add_does_not_open_anew_what_was_closed_before_it_was_sent(bot, seen):
    """Its worker died, and a decision to close came in between: then the add would be an entry nobody decided."""
    bot.enter(BTC)
    bot.protect()
    add = bot.intend(BTC, Action.ADD, contracts="0.3")
    assert submit(bot.ctx, bot.exit(BTC).id) == "live"
    if seen:
        bot.look()
    assert submit(bot.ctx, add.id) == "expired"
    assert bot.order(add.id).last_code == "left_since"
    assert bot.held(BTC) is None


def test_an_add_to_a_position_that_was_stopped_out_is_not_sent(bot):
    bot.enter(BTC)
    bot.protect()
    add = bot.intend(BTC, Action.ADD, contracts="0.3")
    bot.okx.close_position(BTC, "isolated", "")  # as its stop does
    bot.look()
    assert submit(bot.ctx, add.id) == "expired"
    assert bot.accepted(add.cl_ord_id) == 0


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


def another_worker(bot, database_url, checkout, order, failpoint):
    """A process of its own that sends the order."""
    given = bot.settings.model_dump(mode="json", include={
        "okx_rest_url", "paper_speed", "paper_account_file", "order_exp_s", "unknown_grace_s", "http_timeout_s",
    })  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, database_url, str(order.id), json.dumps(given)],
        cwd=checkout, env={**os.environ, "OKXBOT_TEST_FAILPOINT": failpoint}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process known to be gone")
def test_a_close_whose_worker_stands_still_is_not_absent_before_its_signature_is_too_old(
    bot, database_url, checkout, tmp_path
):
    """Between claim and call nothing has left, and for as long as it stands there anything may: were it taken for
    absent and then sent, it would close what has been opened since.
    """
    bot.enter(BTC)
    bot.protect()
    close = bot.exit(BTC)
    (tmp_path / "after_claim").write_text("stop")
    worker = another_worker(bot, database_url, checkout, close, str(tmp_path))
    try:
        until(lambda: (tmp_path / "after_claim.fired").exists() and stands_still(worker.pid))
        until(lambda: resolve_unknown(bot.ctx).get(close.cl_ord_id) == "too_early")
        # The rest of its time, but for what we wait: further ahead, the exchange would refuse our signatures, too.
        bot.server.post("/paper/faults", {"name": "clock_skew", "seconds": SIGNED_FOR.total_seconds() - 5})
        until(lambda: resolve_unknown(bot.ctx) == {close.cl_ord_id: "missed_1"})
        os.kill(worker.pid, signal.SIGCONT)
        said, trouble = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.wait()
        bot.server.post("/paper/faults", {"name": "clock_skew", "seconds": 0})
    assert "unknown" in said, trouble
    assert bot.order(close.id).last_code == "50102"
    assert bot.accepted(close.cl_ord_id) == 0
    assert bot.held(BTC) is not None


def stands_still(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process known to be gone")
def test_a_close_whose_worker_is_gone_does_not_wait_for_its_signature(bot, database_url, checkout):
    bot.enter(BTC)
    bot.protect()
    close = bot.exit(BTC)
    worker = another_worker(bot, database_url, checkout, close, "after_claim")
    worker.communicate(timeout=60)
    assert resolved(bot, close) == "absent"
    looked_from = bot.order(close.id).looked_from
    assert looked_from < bot.order(close.id).submitted_at + SIGNED_FOR


def test_nothing_is_opened_that_a_lost_close_could_still_close(bot):
    """It was not found in time, and is gone only when its signature is too old: bytes may lie in a broken network."""
    bot.enter(BTC)
    bot.protect()
    close = bot.exit(BTC)
    bot.fault("request_lost", "/api/v5/trade/close-position")
    assert submit(bot.ctx, close.id) == "unknown"
    assert resolved(bot, close) == "absent"
    bot.look()
    add = bot.intend(BTC, Action.ADD, contracts="0.3")
    assert submit(bot.ctx, add.id) == "denied"
    assert (bot.order(add.id).last_code, bot.accepted(add.cl_ord_id)) == ("may_turn_up", 0)
    with bot.sessions.begin() as session:
        session.get_one(Order, close.id).submitted_at -= SIGNED_FOR
    again = bot.intend(BTC, Action.ADD, contracts="0.3")
    assert submit(bot.ctx, again.id) != "denied", bot.order(again.id).last_message


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process known to be gone")
def test_which_process_is_gone():
    assert not claimant.is_gone(None)
    mine = claimant.this_process()
    assert not claimant.is_gone(mine)
    world, pid, started = mine.rsplit(":", 2)
    assert claimant.is_gone(f"{world}:{pid}:{int(started) - 1}"), "its id was given to another"
    assert not claimant.is_gone(f"elsewhere:{pid}:1"), "of another machine nothing is known"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: claimant._started(ended.pid) == "dead")
    assert claimant.is_gone(f"{world}:{ended.pid}:1"), "it waits to be reaped"
    ended.wait()
    assert claimant.is_gone(f"{world}:{ended.pid}:1")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_any_point_leaves_one_order_or_none(bot, database_url, checkout, point):
    order = bot.intend(BTC)
    if point == "after_request_written":
        bot.fault("reply_delayed", PLACE, seconds=2)
    worker = another_worker(bot, database_url, checkout, order, point)
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == -9, said
    submit(bot.ctx, order.id)  # what the sweep sends again
    state = resolved(bot, order)
    bot.look()
    assert state == ("absent" if point == "after_claim" else "filled") or bot.order(order.id).state == "filled"
    assert bot.accepted(order.cl_ord_id) == (0 if state == "absent" else 1)
    held = bot.held(BTC)
    assert (held.contracts if held else 0) == (bot.position(BTC).contracts if bot.position(BTC) else 0)
    assert bot.locks() == set()
