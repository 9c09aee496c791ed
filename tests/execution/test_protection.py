"""No position stays without a live stop: refused, lost, cancelled by hand or failed, it is covered or closed."""

import time
from decimal import Decimal

import pytest
from sqlalchemy import update

from execution.resolver import resolve_unknown
from execution.submit import submit
from models import Order, Position
from trading.orders import AlgoRequest

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
ALGO = "/api/v5/trade/order-algo"


def cancel_every_stop(bot):
    algos = [(a.inst_id, a.algo_id) for a in bot.okx.algos_pending()]
    bot.okx.cancel_algos(algos)


def test_a_stop_cancelled_by_hand_is_placed_again(bot):
    bot.enter(BTC)
    bot.protect()
    cancel_every_stop(bot)
    report = bot.look()
    assert report.named("missing_stop") == [BTC]
    assert (BTC, "missing_stop") in bot.locks()
    assert ("protect.check", "protect", []) in bot.sent
    assert bot.protect().stops_placed == [BTC]
    (stop,) = bot.okx.algos_pending()
    assert stop.close_fraction == 1
    bot.look()
    assert bot.locks() == set()


def test_naked_seconds_are_recorded(bot):
    bot.enter(BTC)
    bot.protect()
    cancel_every_stop(bot)
    bot.look()
    bot.fault("code", ALGO, code="50004", placed=False, count=1)
    bot.protect()  # uncovered, and the stop's outcome is unknown
    assert bot.position(BTC).uncovered_since is not None
    time.sleep(0.4)
    bot.protect()
    bot.protect()
    position = bot.position(BTC)
    assert position.uncovered_since is None
    assert position.naked_seconds >= Decimal("0.4")
    assert bot.state().naked_seconds_total == position.naked_seconds


def test_a_refused_stop_closes_what_nothing_else_covers(bot):
    bot.enter(BTC)
    bot.protect()
    cancel_every_stop(bot)
    bot.look()
    # The plan's stop lies beyond the price by now: the exchange refuses it.
    beyond = str(bot.okx.ticker(BTC).last * 2)
    with bot.sessions.begin() as session:
        row = session.get_one(Position, bot.position(BTC).id)
        row.plan = {**row.plan, "stop_loss": beyond}
    report = bot.protect()
    assert report.closed == [BTC]
    bot.look()
    assert bot.held(BTC) is None
    (trade,) = bot.trades()
    assert trade.exit_reason == "protection"


def test_a_refused_stop_is_no_harm_while_the_attached_one_covers(bot):
    bot.enter(BTC)
    beyond = str(bot.okx.ticker(BTC).last * 2)
    with bot.sessions.begin() as session:
        row = session.get_one(Position, bot.position(BTC).id)
        row.plan = {**row.plan, "stop_loss": beyond}
    report = bot.protect()
    assert (report.closed, report.uncovered) == ([], [])
    assert len(bot.okx.algos_pending()) == 1
    assert bot.held(BTC) is not None


def test_a_position_without_a_known_stop_is_closed_after_the_grace(bot):
    bot.enter(BTC)
    cancel_every_stop(bot)
    with bot.sessions.begin() as session:
        session.execute(update(Position).values(plan=None))
        session.execute(update(Order).values(plan=None))
    bot.look()
    assert bot.protect().closed == []
    time.sleep(0.4)
    assert bot.protect().closed == [BTC]
    bot.look()
    assert bot.held(BTC) is None


def test_an_unknown_stop_is_found_and_not_doubled(bot):
    bot.enter(BTC)
    bot.fault("reply_lost_after_accept", ALGO)
    bot.protect()
    bot.look()
    bot.protect()
    stops = bot.okx.algos_pending()
    assert [s.close_fraction for s in stops] == [Decimal(1)]
    assert bot.locks() == set()


def test_a_stop_that_outlives_its_position_is_cancelled(bot):
    bot.enter(BTC)
    bot.protect()
    close = bot.exit(BTC)
    submit(bot.ctx, close.id)
    bot.look()
    # An orphan: a stop of ours for a position that is gone.
    price = bot.okx.ticker(BTC).last
    bot.okx.place_algo(
        AlgoRequest(
            BTC,
            "sell",
            f"{bot.ctx.order_prefix}orphan",
            "isolated",
            bot.ctx.instrument(BTC).round_price(price / 2),
            None,
        )
    )
    report = bot.look()
    assert report.named("orphan_stop") == [BTC]
    bot.protect()
    assert bot.okx.algos_pending() == []
    assert bot.look().breaks == []


def test_a_second_position_level_stop_is_cancelled(bot):
    order = bot.enter(BTC)
    bot.protect()
    bot.okx.place_algo(AlgoRequest(BTC, "sell", f"{bot.ctx.order_prefix}second", "isolated", order.stop_loss_px, None))
    bot.look()
    bot.protect()
    (stop,) = bot.okx.algos_pending()
    assert stop.algo_cl_ord_id != f"{bot.ctx.order_prefix}second"


def test_an_exchange_that_does_not_answer_leaves_the_books_alone(bot):
    bot.enter(BTC)
    before = bot.position(BTC)
    bot.fault("http_502_html", "/api/v5/account/positions", count=3)
    report = bot.protect()
    assert (report.stops_placed, report.closed) == ([], [])
    assert bot.position(BTC).contracts == before.contracts


@pytest.mark.parametrize("lost", ["request_lost", "reply_lost_after_accept"])
def test_a_protective_close_survives_a_lost_message(bot, lost):
    bot.enter(BTC)
    cancel_every_stop(bot)
    with bot.sessions.begin() as session:
        session.execute(update(Position).values(plan=None))
        session.execute(update(Order).values(plan=None))
    bot.look()
    bot.protect()
    time.sleep(0.4)
    bot.fault(lost, "close-position")
    bot.protect()
    deadline = time.monotonic() + 8
    while bot.held(BTC) is not None and time.monotonic() < deadline:
        resolve_unknown(bot.ctx)
        for task, _, args in list(bot.sent):
            if task == "protect.submit":
                submit(bot.ctx, *args)
        time.sleep(0.05)
    assert bot.held(BTC) is None
    assert bot.audit()["accepted_more_than_once"] == []
