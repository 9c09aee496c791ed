"""Our books against the exchange: every difference by its name, mended or locked, and lifted when it is over."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from execution import break_log, control, intents, mirror, outbox, unsettled
from execution.reconcile import reconcile
from execution.submit import submit
from models import Alert, BotState, Fill, Order, Position, Trade
from trading.clock import wall_now
from trading.decision import Action
from trading.orders import Leg, OrderRequest

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def by_hand(bot, inst_id, side, contracts, *, ord_type="market", px=None, cl_ord_id="", reduce_only=False):
    """An order as a person places it at the exchange."""
    outcome = bot.okx.place_order(
        OrderRequest(
            inst_id, side, ord_type, Decimal(contracts), cl_ord_id, "isolated", px=px, reduce_only=reduce_only
        ),
        wall_now() + timedelta(seconds=2),
    )
    assert outcome.kind == "accepted", outcome


def low(bot, inst_id):
    return bot.ctx.instrument(inst_id).round_price(bot.okx.ticker(inst_id).last * 98 / 100)


def test_first_success_allows_entries(unbound):
    assert unbound.state().reconciled_at is None
    unbound.look()
    assert unbound.state().reconciled_at is not None


def test_a_reconnect_refuses_entries_until_reconciled_again(bot):
    unsettled.refuse_entries(bot.ctx, "private socket reconnected")
    entry = bot.intend(BTC)
    assert submit(bot.ctx, entry.id) == "denied"
    assert bot.order(entry.id).last_code == "not_reconciled"
    bot.look()
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_a_reconciliation_begun_before_a_reconnect_settles_nothing(bot):
    class Reconnecting(OkxExchange):
        def balance(self):
            unsettled.refuse_entries(bot.ctx, "private socket reconnected")
            return super().balance()

    ctx = replace(bot.ctx, exchange=Reconnecting.from_settings(bot.settings))
    reconcile(ctx, "minute")
    assert bot.state().reconciled_at is None
    bot.look()
    assert bot.state().reconciled_at is not None
    ctx.exchange.close()


def test_entries_are_refused_when_reconciliation_stands_still(bot):
    with bot.sessions.begin() as session:
        session.execute(update(BotState).values(reconciled_at=wall_now() - timedelta(minutes=3, seconds=1)))
    entry = bot.intend(BTC)
    assert submit(bot.ctx, entry.id) == "denied"
    assert bot.order(entry.id).last_code == "not_reconciled"
    bot.look()
    assert submit(bot.ctx, bot.intend(BTC).id) == "live"


def test_unreadable_exchange_fails_closed(unbound):
    unbound.fault("http_502_html", "/api/v5/account/positions", count=3)
    with pytest.raises(ReadFailed):
        unbound.look()
    assert unbound.state().reconciled_at is None


def test_a_restart_finds_position_stop_and_trade_as_they_are(bot):
    order = bot.intend(BTC)
    submit(bot.ctx, order.id)  # and nobody saw the fill
    report = bot.look()
    assert report.breaks == []
    assert bot.order(order.id).state == "filled"
    assert bot.position(BTC).stop_px == order.stop_loss_px
    assert [t.contracts for t in bot.trades()] == [Decimal("0.5")]


def test_a_foreign_position_locks_its_instrument_and_is_never_touched(bot):
    by_hand(bot, ETH, "buy", "0.3")
    bot.enter(BTC)
    report = bot.look()
    assert report.named("foreign_position") == [ETH]
    assert (ETH, "foreign_position") in bot.locks()
    bot.protect()
    assert bot.held(ETH).contracts == Decimal("0.3")
    entry = bot.intend(ETH)
    assert submit(bot.ctx, entry.id) == "denied"
    answer = control.flatten(bot.ctx, actor="tester")
    assert (answer.flat, answer.closed, answer.untouched) == (True, [BTC], [ETH])
    assert bot.held(ETH).contracts == Decimal("0.3")
    assert control.flatten(bot.ctx, all_=True, actor="tester").flat
    assert bot.okx.positions() == []
    bot.look()
    assert bot.locks() == set()


def test_a_position_opened_by_hand_after_a_trade_of_ours_is_foreign(bot):
    bot.enter(BTC)
    submit(bot.ctx, bot.exit(BTC).id)
    bot.look()
    by_hand(bot, BTC, "buy", "0.3")
    assert bot.look().named("foreign_position") == [BTC]
    assert bot.position(BTC).plan is None
    report = bot.protect()
    assert (report.stops_placed, report.closed) == ([], [])
    assert bot.okx.algos_pending() == []


def test_a_foreign_order_locks_until_it_is_gone(bot):
    by_hand(bot, BTC, "buy", "0.1", ord_type="limit", px=low(bot, BTC), cl_ord_id="handmade1")
    assert bot.look().named("foreign_order") == [BTC]
    assert bot.locks() == {(BTC, "foreign_order")}
    control.flatten(bot.ctx, actor="tester")
    assert len(bot.okx.orders_pending()) == 1
    bot.okx.cancel_order(BTC, "handmade1")
    assert bot.look().breaks == []
    assert bot.locks() == set()


def test_an_order_with_our_prefix_that_is_not_in_our_books_is_an_orphan(bot):
    by_hand(bot, BTC, "buy", "0.1", ord_type="limit", px=low(bot, BTC), cl_ord_id=f"{bot.ctx.order_prefix}lost")
    assert bot.look().named("orphan_order") == [BTC]
    assert bot.locks() == {(BTC, "orphan_order")}


def test_a_size_changed_by_hand_is_a_break(bot):
    bot.enter(BTC, contracts="0.5")
    bot.protect()
    by_hand(bot, BTC, "buy", "0.2")
    assert bot.look().named("size_break") == [BTC]
    assert bot.locks() == {(BTC, "size_break")}
    answer = control.flatten(bot.ctx, actor="tester")
    assert bot.held(BTC).contracts == Decimal("0.2"), answer


def test_fills_by_hand_before_our_trade_are_not_of_it(bot):
    by_hand(bot, BTC, "buy", "0.2")
    by_hand(bot, BTC, "sell", "0.2")
    bot.enter(BTC, contracts="0.5")
    bot.look()
    (trade,) = bot.trades()
    assert (trade.contracts, trade.exited_contracts, bot.locks()) == (Decimal("0.5"), Decimal(0), set())


def test_a_position_reduced_by_hand_is_followed(bot):
    bot.enter(BTC, contracts="0.5")
    bot.protect()
    by_hand(bot, BTC, "sell", "0.5", reduce_only=True)
    bot.look()
    (trade,) = bot.trades()
    assert trade.exit_reason == "foreign"
    assert bot.position(BTC).contracts == 0


def test_an_order_the_exchange_forgot_is_missing(bot):
    order = bot.intend(BTC)
    with bot.sessions.begin() as session:
        session.execute(
            update(Order)
            .where(Order.id == order.id)
            .values(state="live", submitted_at=wall_now() - timedelta(minutes=1), exp_time=wall_now())
        )
    assert bot.look().named("missing_order") == [BTC]
    assert bot.order(order.id).state == "canceled"
    assert bot.look().breaks == []
    assert bot.locks() == set()


def test_lost_fills_are_brought_in_once(bot):
    bot.enter(BTC)
    with bot.sessions.begin() as session:
        session.execute(delete(Trade))
        session.execute(delete(Fill))
    bot.look()
    bot.look()
    (trade,) = bot.trades()
    assert trade.contracts == Decimal("0.5")
    with bot.sessions() as session:
        assert len(session.scalars(select(Fill).where(Fill.inst_id == BTC)).all()) == len(bot.okx.fills(BTC))


def test_a_list_without_the_position_is_not_flat_without_closing_fills(bot):
    bot.enter(BTC)
    row = bot.position(BTC)
    mirror.ingest_flat(bot.ctx, BTC, row.updated_market_at - timedelta(seconds=1))
    assert bot.position(BTC).contracts == row.contracts


def test_reports_in_any_order_and_number_end_in_the_same_books(bot):
    order = bot.intend(BTC)
    submit(bot.ctx, order.id)
    report = bot.okx.order(BTC, order.cl_ord_id)
    (fill,) = [f for f in bot.okx.fills(BTC) if f.cl_ord_id == order.cl_ord_id]
    (position,) = bot.okx.positions(BTC)
    (algo,) = bot.okx.algos_pending()
    with outbox.transaction(bot.ctx) as session:
        close = intents.record_whole_close(
            bot.ctx, session, BTC, position.contracts, position.created_at, Leg.CLOSE, "a test", "test"
        )
    submit(bot.ctx, close.id)
    (closing_fill,) = [f for f in bot.okx.fills(BTC) if f.cl_ord_id == close.cl_ord_id]
    ended = bot.okx.algo_by_id(algo.algo_id)
    mirror.ingest_fill(bot.ctx, closing_fill)  # before the fill that opened
    assert bot.trades() == []
    for _ in range(2):
        mirror.ingest_algo(bot.ctx, ended)
        mirror.ingest_algo(bot.ctx, algo)  # late: it ended already
        mirror.ingest_fill(bot.ctx, fill)
        mirror.ingest_order(bot.ctx, report)
        mirror.ingest_fill(bot.ctx, closing_fill)
    mirror.ingest_flat(bot.ctx, BTC, closing_fill.at + timedelta(seconds=1))
    mirror.ingest_position(bot.ctx, position)  # late
    (trade,) = bot.trades()
    assert (trade.contracts, trade.exited_contracts) == (0, Decimal("0.5"))
    row = bot.position(BTC)
    assert row is None or row.contracts == 0
    assert bot.order(order.id).state == "filled"


def test_an_older_state_never_overwrites_a_newer_one(bot):
    order = bot.intend(BTC)
    submit(bot.ctx, order.id)
    filled = bot.okx.order(BTC, order.cl_ord_id)
    mirror.ingest_order(bot.ctx, filled)
    mirror.ingest_order(bot.ctx, replace(filled, state="live", acc_fill_sz_contracts=Decimal(0)))
    after = bot.order(order.id)
    assert (after.state, after.acc_fill_sz_contracts) == ("filled", Decimal("0.5"))


def test_people_are_told_of_opened_and_closed_trades(bot):
    bot.enter(BTC, Action.OPEN_SHORT)
    submit(bot.ctx, bot.exit(BTC).id)
    bot.look()
    with bot.sessions() as session:
        kinds = session.scalars(select(Alert.kind).order_by(Alert.id)).all()
        assert session.scalars(select(Position.contracts)).all() == [Decimal(0)]
    assert kinds == ["trade_opened", "trade_closed"]


def test_two_that_find_the_same_difference_write_it_once(bot):
    finding = break_log.Finding("size_break", ETH, "a test")
    written, failures = threading.Event(), []

    def first():
        with bot.sessions.begin() as session:
            break_log.note(session, bot.ctx.account_id, "reconcile", [finding], wall_now())
            written.set()
            time.sleep(0.5)

    def second():
        written.wait()
        try:
            with bot.sessions.begin() as session:
                break_log.note(session, bot.ctx.account_id, "reconcile", [finding], wall_now())
        except DBAPIError as error:
            failures.append(error)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with bot.sessions() as session:
        assert len(break_log.open_breaks(session, bot.ctx.account_id)) == 1
