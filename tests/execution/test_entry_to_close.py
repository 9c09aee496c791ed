"""The way of one order: sent once, filled whole with its stop, taken over by the position-level stop, journalled."""

from decimal import Decimal

from sqlalchemy import select

from execution import transition
from execution.identifiers import is_attached
from execution.submit import submit
from models import Bill, Fill, OrderEvent, OutboxMessage
from trading.decision import Action

BTC = "BTC-USDT-SWAP"


def test_entry_is_filled_whole_and_born_with_its_stop(bot):
    order = bot.enter(BTC, contracts="0.5")
    assert order.acc_fill_sz_contracts == Decimal("0.5")
    (stop,) = bot.okx.algos_pending()
    assert is_attached(stop.algo_cl_ord_id, bot.ctx.order_prefix)
    assert stop.stop_loss_px == order.stop_loss_px
    assert bot.position(BTC).stop_px == order.stop_loss_px


def test_every_step_of_an_order_is_an_event(bot):
    order = bot.enter(BTC)
    with bot.sessions() as session:
        events = session.scalars(
            select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.id)
        ).all()
    assert [(e.from_state, e.to_state) for e in events] == [
        (None, "intended"), ("intended", "submitting"), ("submitting", "live"), ("live", "filled"),
    ]  # fmt: skip


def test_position_level_stop_takes_over_and_the_attached_one_is_cancelled(bot):
    order = bot.enter(BTC)
    report = bot.protect()
    assert report.stops_placed == [BTC]
    (stop,) = bot.okx.algos_pending()
    assert (stop.close_fraction, stop.reduce_only) == (Decimal(1), True)
    assert (stop.stop_loss_px, stop.take_profit_px) == (order.stop_loss_px, order.take_profit_px)
    assert bot.position(BTC).stop_px == order.stop_loss_px
    assert bot.position(BTC).target_px == order.take_profit_px
    again = bot.protect()
    assert (again.stops_placed, again.canceled) == ([], [])
    assert bot.audit()["uncovered_seconds"] == 0


def test_messages_leave_once_and_only_after_the_commit(bot):
    order = bot.intend(BTC)
    assert bot.sent == [("trade.submit", "trade", [order.id])]
    with bot.sessions() as session:
        assert session.scalars(select(OutboxMessage).where(OutboxMessage.sent_at.is_(None))).all() == []


def test_cycle_is_told_when_its_order_has_ended(bot):
    order = bot.enter(BTC)
    assert ("account.confirm", "account", [order.cycle_id]) in bot.sent


def test_closing_decision_ends_flat_without_any_stop_left(bot):
    bot.enter(BTC)
    bot.protect()
    order = bot.exit(BTC)
    assert submit(bot.ctx, order.id) == "live"
    bot.look()
    assert bot.order(order.id).state == "filled"
    assert bot.held(BTC) is None
    assert bot.position(BTC).contracts == 0
    bot.protect()
    assert bot.okx.algos_pending() == []
    (trade,) = bot.trades()
    assert trade.exit_reason == "decision"
    assert any(task == "reflection.review" and args == [trade.id] for task, _, args in bot.sent)


def test_reduce_keeps_the_rest_covered_without_resizing(bot):
    bot.enter(BTC, contracts="0.5")
    bot.protect()
    order = bot.exit(BTC, Action.REDUCE, contracts="0.2")
    assert submit(bot.ctx, order.id) == "live"
    bot.look()
    assert bot.held(BTC).contracts == Decimal("0.3")
    (stop,) = bot.okx.algos_pending()
    assert stop.close_fraction == 1
    assert bot.protect().stops_placed == []
    (trade,) = bot.trades()
    assert (trade.contracts, trade.exited_contracts) == (Decimal("0.3"), Decimal("0.2"))


def test_add_is_covered_by_the_same_stop(bot):
    bot.enter(BTC, contracts="0.5")
    bot.protect()
    bot.enter(BTC, Action.ADD, contracts="0.3")
    bot.protect()
    assert bot.held(BTC).contracts == Decimal("0.8")
    (stop,) = bot.okx.algos_pending()
    assert stop.close_fraction == 1
    (trade,) = bot.trades()
    assert trade.max_contracts == Decimal("0.8")


def test_stop_that_fills_closes_the_trade_with_its_name(bot):
    bot.enter(BTC, stop_pct="0.4", target_pct="2.5")
    bot.protect()
    for _ in range(300):
        bot.server.advance(1)
        if bot.held(BTC) is None:
            break
    bot.look()
    (trade,) = bot.trades()
    assert trade.closed_market_at is not None
    assert trade.exit_reason in ("stop", "target")
    assert (trade.exit_reason == "stop") == (trade.pnl < 0)
    bot.protect()
    assert bot.okx.algos_pending() == []
    assert bot.audit()["uncovered_bars"] == 0


def test_trade_equals_what_the_exchange_booked(bot):
    before = bot.okx.balance().equity
    known = {bill.bill_id for bill in bot.okx.bills()}
    known_fills = {fill.trade_id for fill in bot.okx.fills(BTC)}
    bot.enter(BTC)
    bot.protect()
    for _ in range(120):  # ten hours: at least one funding
        bot.server.advance(1)
        if bot.held(BTC) is None:
            break
    if bot.held(BTC) is not None:
        submit(bot.ctx, bot.exit(BTC).id)
    bot.look()
    (trade,) = bot.trades()
    assert trade.net_pnl == bot.okx.balance().equity - before
    with bot.sessions() as session:
        bills = session.scalars(select(Bill).where(Bill.bill_id.not_in(known))).all()
        fills = session.scalars(select(Fill).where(Fill.inst_id == BTC, Fill.trade_id.not_in(known_fills))).all()
    assert trade.fees == sum(b.fee for b in bills) == sum(f.fee for f in fills)
    assert trade.funding == sum(b.pnl for b in bills if b.type == "8")
    assert trade.r_multiple == trade.net_pnl / trade.risk


def test_states_move_along_the_machine_only(bot):
    order = bot.enter(BTC)
    with bot.sessions.begin() as session:
        row = session.merge(order)
        try:
            transition.move(session, row, "live", "test")
        except transition.IllegalTransition:
            return
    raise AssertionError("a filled order became live")
