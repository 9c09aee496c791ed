"""No position stays without a live stop: refused, lost, cancelled by hand or failed, it is covered or closed."""

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from execution import mirror, protection, uncovered
from execution.resolver import resolve_unknown
from execution.submit import submit
from models import Alert, Order, OutboxMessage, Position
from tests.execution.conftest import until
from trading.clock import wall_now
from trading.decision import Action
from trading.orders import AlgoRequest, OrderRequest

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


LISTED = "/api/v5/trade/orders-algo-pending"


@pytest.mark.parametrize("path", [LISTED, "/api/v5/account/positions"])
def test_a_check_that_cannot_read_the_exchange_says_so(bot, path):
    bot.enter(BTC)
    bot.fault("50026", path, count=0)
    try:
        report = bot.protect()
    finally:
        bot.server.clear_faults()
    assert (report.stops_placed, len(report.unread)) == ([], 1)
    assert "50026" in report.unread[0]
    assert bot.protect().unread == []


def test_a_check_that_can_read_only_at_first_is_not_complete(bot):
    """The stop is placed; which ones are left over by it is not known."""
    bot.enter(BTC)
    bot.fault("50026", "orders-algo-pending", skip=1, count=0)
    try:
        report = protection.check(bot.ctx)
    finally:
        bot.server.clear_faults()
    assert (report.stops_placed, len(report.unread)) == ([BTC], 1)
    assert "50026" in report.unread[0]
    assert bot.protect().unread == []


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


def test_a_position_without_a_plan_gets_its_own_stop_where_the_attached_one_stands(bot):
    """As one that an ADD opened, because the close was quicker."""
    order = bot.enter(BTC)
    without_plan(bot)
    assert bot.protect().stops_placed == [BTC]
    bot.look()
    bot.protect()
    (stop,) = bot.okx.algos_pending()
    assert (stop.close_fraction, stop.stop_loss_px, stop.take_profit_px) == (
        1, order.stop_loss_px, order.take_profit_px,
    )  # fmt: skip


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


def without_plan(bot):
    with bot.sessions.begin() as session:
        session.execute(update(Position).values(plan=None))
        session.execute(update(Order).values(plan=None))


def alerts(bot, kind):
    with bot.sessions() as session:
        return session.scalars(select(Alert.message).where(Alert.kind == kind).order_by(Alert.id)).all()


def orders(bot, leg):
    with bot.sessions() as session:
        return session.scalars(select(Order).where(Order.leg == leg).order_by(Order.id)).all()


def test_a_refused_close_is_tried_again_later_and_people_are_told_once(bot):
    bot.enter(BTC)
    cancel_every_stop(bot)
    without_plan(bot)
    bot.look()
    bot.protect()
    time.sleep(0.4)
    bot.fault("code", "close-position", code="51010", count=2)
    for _ in range(3):
        bot.protect()
    assert [o.state for o in orders(bot, "close")] == ["rejected"]
    assert len(alerts(bot, "protective_close")) == 1
    assert len(alerts(bot, "position_uncovered")) == 1
    with bot.sessions.begin() as session:
        session.execute(update(Order).where(Order.leg == "close").values(resolved_at=wall_now() - timedelta(seconds=3)))
    bot.protect()
    assert [o.state for o in orders(bot, "close")] == ["rejected", "rejected"]
    bot.protect()
    assert len(orders(bot, "close")) == 2
    assert len({o.cl_ord_id for o in orders(bot, "close")}) == 2
    assert len(alerts(bot, "protective_close")) == 1


def test_people_are_reminded_of_an_uncovered_position(bot):
    bot.enter(BTC)
    cancel_every_stop(bot)
    bot.look()
    with bot.sessions.begin() as session:
        session.execute(update(Position).values(uncovered_since=wall_now() - timedelta(seconds=100)))
    for _ in range(3):
        uncovered.mark(bot.ctx)
    assert len(alerts(bot, "position_uncovered")) == 1
    with bot.sessions.begin() as session:
        session.execute(update(Position).values(alarmed_at=wall_now() - timedelta(seconds=61)))
    for _ in range(3):
        uncovered.mark(bot.ctx)
    assert [m.split()[0] for m in alerts(bot, "position_uncovered")][1:] == ["still"]


def test_an_unsent_close_is_sent_by_the_check_and_not_doubled(bot):
    bot.enter(BTC)
    bot.exit(BTC)  # its message is lost
    bot.protect()
    bot.look()
    assert bot.held(BTC) is None
    assert [o.state for o in orders(bot, "close")] == ["filled"]


def test_protection_closes_only_what_is_ours(bot):
    bot.enter(BTC, contracts="0.5")
    cancel_every_stop(bot)
    outcome = bot.okx.place_order(
        OrderRequest(BTC, "buy", "market", Decimal("0.2"), "", "isolated"), wall_now() + timedelta(seconds=2)
    )
    assert outcome.kind == "accepted"
    beyond = str(bot.okx.ticker(BTC).last * 2)
    bot.look()
    with bot.sessions.begin() as session:
        row = session.get_one(Position, bot.position(BTC).id)
        row.plan = {**row.plan, "stop_loss": beyond}
    assert bot.protect().closed == [BTC]
    bot.look()
    assert bot.held(BTC).contracts == Decimal("0.2")


def test_an_attached_stop_the_exchange_refused_is_noticed_at_once(bot):
    order = bot.intend(BTC)
    submit(bot.ctx, order.id)
    report = replace(bot.okx.order(BTC, order.cl_ord_id), attached_fail_codes=("51008",))
    bot.sent.clear()
    mirror.ingest_order(bot.ctx, report)
    mirror.ingest_order(bot.ctx, report)
    assert len(alerts(bot, "attached_stop_refused")) == 1
    assert ("protect.check", "protect", []) in bot.sent


def test_a_stop_that_triggered_and_failed_is_told_and_its_position_protected(bot):
    bot.enter(BTC)
    (attached,) = bot.okx.algos_pending()
    cancel_every_stop(bot)
    mirror.ingest_algo(bot.ctx, replace(attached, state="order_failed", fail_code="51008"))
    mirror.ingest_algo(bot.ctx, replace(attached, state="order_failed", fail_code="51008"))
    assert len(alerts(bot, "stop_failed")) == 1
    with bot.sessions() as session:
        assert session.scalar(select(OutboxMessage.id).where(OutboxMessage.task == "protect.check").limit(1))
    assert bot.protect().stops_placed == [BTC]


def test_a_stop_filled_while_we_close_leaves_flat_and_one_trade(bot):
    bot.enter(BTC)
    bot.protect()
    close = bot.exit(BTC)
    bot.okx.close_position(BTC, "isolated", "")  # the stop was quicker
    assert submit(bot.ctx, close.id) in ("rejected", "expired")
    bot.look()
    report = bot.protect()
    assert (report.closed, report.stops_placed, report.uncovered) == ([], [], [])
    assert bot.held(BTC) is None
    assert [t.contracts for t in bot.trades()] == [0]
    assert bot.okx.algos_pending() == []


@pytest.mark.parametrize("level", [True, False])
def test_adding_and_reducing_stay_covered(bot, level):
    bot.enter(BTC, contracts="0.5")
    if level:
        bot.protect()
    bot.enter(BTC, Action.ADD, contracts="0.3")
    assert bot.protect().uncovered == []
    (stop,) = bot.okx.algos_pending()
    assert stop.close_fraction == 1
    reduce = bot.exit(BTC, Action.REDUCE, contracts="0.6")
    assert submit(bot.ctx, reduce.id) == "live"
    bot.look()
    assert bot.protect().uncovered == []
    assert bot.held(BTC).contracts == Decimal("0.2")
    assert len(bot.okx.algos_pending()) == 1
    assert bot.state().naked_seconds_total == 0


def test_the_stop_that_goes_with_its_position_is_not_missed(bot):
    """Of a close the exchange tells in any order: first that the stop has ended, then that the position has."""
    bot.enter(BTC)
    bot.protect()
    (stop,) = bot.okx.algos_pending()
    assert submit(bot.ctx, bot.exit(BTC).id) == "live"
    mirror.ingest_algo(bot.ctx, bot.okx.algo_by_id(stop.algo_id))
    assert bot.position(BTC).contracts != 0
    patient = bot.with_settings(naked_grace_s=60)
    assert uncovered.mark(patient.ctx) == []
    patient.look()
    assert bot.state().naked_seconds_total == 0, "they went in the same moment of the exchange"


def gone_for(bot, stop, **more):
    """The exchange tells that the stop was taken away, and nothing more."""
    mirror.ingest_algo(bot.ctx, replace(stop, state="canceled", **more))


def test_a_close_that_hangs_hides_no_second_of_an_uncovered_position(bot):
    """The count begins where the stop was seen to end; people are told when the grace of the close is over."""
    bot.enter(BTC)
    bot.protect()
    (stop,) = bot.okx.algos_pending()
    bot.fault("request_lost", "close-position")
    close = bot.exit(BTC)
    assert submit(bot.ctx, close.id) == "unknown"
    with bot.sessions.begin() as session:
        session.get_one(Order, close.id).state = "submitting"  # nobody knows yet
    gone_for(bot, stop)
    ended = wall_now()
    patient = bot.with_settings(naked_grace_s=60)
    assert uncovered.mark(patient.ctx) == []
    assert bot.position(BTC).uncovered_since <= ended
    # The grace of the close is over a moment before that of the position, which its stop outlived.
    until(lambda: uncovered.mark(bot.ctx) == [BTC] and alerts(bot, "position_uncovered"))
    assert bot.position(BTC).uncovered_since <= ended
    assert len(alerts(bot, "position_uncovered")) == 1
    later = wall_now()
    uncovered.mark(bot.ctx)
    bot.okx.close_position(BTC, "isolated", "")
    bot.look()
    assert bot.state().naked_seconds_total >= Decimal(str((later - ended).total_seconds()))


@pytest.mark.parametrize(("speed", "seconds"), [(1, 12), (60, Decimal("0.2")), ("lockstep", 0)])
def test_a_position_that_outlived_its_stop_is_counted_by_the_exchanges_times(bot, speed, seconds):
    """Closed before anybody had looked: how long it went on without its stop is in the two reports."""
    bot = bot.with_settings(paper_speed=speed)
    bot.enter(BTC)
    bot.protect()
    (stop,), position = bot.okx.algos_pending(), bot.held(BTC)
    assert submit(bot.ctx, bot.exit(BTC).id) == "live"
    ended = bot.ctx.clock.market_now()
    gone_for(bot, stop, updated_at=ended)
    flat = replace(position, contracts=Decimal(0), updated_at=ended + timedelta(seconds=12))
    mirror.ingest_position(bot.ctx, flat)
    assert bot.state().naked_seconds_total == seconds


def test_a_position_whose_stop_was_triggered_was_never_naked(bot):
    bot = bot.with_settings(paper_speed=1)
    bot.enter(BTC)
    bot.protect()
    (stop,), position = bot.okx.algos_pending(), bot.held(BTC)
    at = bot.ctx.clock.market_now()
    mirror.ingest_algo(bot.ctx, replace(stop, state="effective", actual_side="sl", updated_at=at))
    bot.okx.close_position(BTC, "isolated", "")
    mirror.ingest_position(bot.ctx, replace(position, contracts=Decimal(0), updated_at=at + timedelta(seconds=12)))
    assert bot.state().naked_seconds_total == 0
