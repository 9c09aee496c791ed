"""A limit entry on the book: what fills before the rest has a stop of its own, and nothing rests longer than it may."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from execution import control, locks
from execution.resting import cancel_due
from execution.submit import submit
from execution.unsettled import refuse_entries
from models import BotState, Trade
from paper.launch import launch
from settings import SettingsError, load_settings
from trading.clock import wall_now
from trading.decision import Action
from trading.orders import OrderState

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
PLACE, CANCEL = "/api/v5/trade/order", "/api/v5/trade/cancel-order"


@pytest.fixture(scope="module", params=["drop", "live"])
def exchange_server(request, tmp_path_factory):
    """Either way OKX may treat the attached stop of an order that is cancelled half filled."""
    server = launch(
        tmp_path_factory.mktemp("exchange"),
        ["--speed", "lockstep", "--admin", "--warmup-bars", "300",
         "--switch", f"attached_after_partial={request.param}"],
    )  # fmt: skip
    yield server
    server.stop()


@pytest.fixture
def bot(bot):
    bot.server.advance(1)  # what the test before has taken from the book is there again
    bot.look()
    return bot.with_settings(entry_limit="rest")


def resting(bot, bps=-50):
    """A limit decision that far from the quote, sent."""
    limit = bot.ctx.instrument(BTC).round_price(bot.okx.ticker(BTC).ask * (1 + Decimal(bps) / 10000))
    order = bot.intend(BTC, contracts="1", limit_price=limit)
    assert submit(bot.ctx, order.id) == OrderState.LIVE
    bot.look()
    return bot.order(order.id)


def half_filled(bot):
    """Far through the quote, met by a book that holds less than half of it."""
    bot.fault("partial_fill", PLACE, share=0.4)
    order = resting(bot, bps=100)
    assert (order.state, order.acc_fill_sz_contracts) == (OrderState.PARTIALLY_FILLED, Decimal("0.4"))
    return order


def test_a_limit_decision_rests_only_where_the_setting_says_so(bot):
    assert resting(bot).ord_type == "limit"
    assert bot.okx.orders_pending()[0].state == "live"
    whole = bot.with_settings(entry_limit="fok").intend(ETH, limit_price=bot.okx.ticker(ETH).ask)
    assert whole.ord_type == "fok"


def test_what_fills_before_the_rest_gets_its_own_stop_within_the_grace(bot):
    order = half_filled(bot)
    assert bot.held(BTC).contracts == Decimal("0.4")
    assert bot.protect().stops_placed == [BTC]
    (stop,) = bot.okx.algos_pending()
    assert (stop.close_fraction, stop.reduce_only, stop.stop_loss_px) == (1, True, order.stop_loss_px)
    assert bot.state().naked_seconds_total < bot.settings.naked_grace_s
    assert bot.okx.orders_pending()[0].cl_ord_id == order.cl_ord_id, "the rest goes on resting"


def test_the_rest_comes_under_the_same_stop(bot):
    order = half_filled(bot)
    bot.protect()
    bot.server.advance(1)
    bot.look()
    assert bot.order(order.id).state == OrderState.FILLED
    bot.protect()
    bot.look()
    (stop,) = bot.okx.algos_pending()
    assert stop.close_fraction == 1
    assert bot.locks() == set()


def test_a_half_filled_entry_is_cancelled_when_its_decision_is_too_old(bot):
    order = half_filled(bot)
    bot.protect()
    bot.look()
    assert cancel_due(bot.ctx) == []
    with bot.sessions.begin() as session:
        session.get_one(type(order), order.id).deadline = wall_now() - timedelta(seconds=1)
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.order(order.id).state == OrderState.CANCELED
    assert bot.okx.orders_pending() == []
    bot.look()
    bot.protect()
    bot.look()
    (stop,) = bot.okx.algos_pending()
    assert (stop.close_fraction, bot.held(BTC).contracts) == (1, Decimal("0.4"))
    assert bot.position(BTC).plan is not None
    assert bot.look().breaks == []


def locked(bot):
    with bot.sessions.begin() as session:
        locks.lock(session, bot.ctx.account_id, BTC, locks.LockReason.FOREIGN_ORDER, "a test")


def state_of(bot, **values):
    with bot.sessions.begin() as session:
        for name, value in values.items():
            setattr(session.get_one(BotState, bot.ctx.account_id), name, value)


REASONS = {
    "halted": lambda bot: control.halt(bot.ctx, reason="a test", actor="t", channel="t"),
    "draining": lambda bot: control.set_state(bot.ctx, "draining"),
    "not reconciled since a reconnect": lambda bot: refuse_entries(bot.ctx, "a test"),
    "not reconciled lately": lambda bot: state_of(bot, reconciled_at=wall_now() - timedelta(minutes=4)),
    "an invariant is broken": lambda bot: state_of(bot, entries_blocked="I9"),
    "the instrument is locked": locked,
}


def test_a_halt_names_what_rests(bot):
    order = resting(bot)
    assert control.halt(bot.ctx, reason="a test", actor="t", channel="t").in_flight == [order.cl_ord_id]


@pytest.mark.parametrize("reason", REASONS)
def test_nothing_rests_where_no_entry_may_be_made(bot, reason):
    """The reasons that refuse an entry are those that end one's rest."""
    order = resting(bot)
    REASONS[reason](bot)
    bot.fault("request_lost", CANCEL)
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.order(order.id).state == OrderState.LIVE, "the request was lost"
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.order(order.id).state == OrderState.CANCELED
    assert bot.okx.orders_pending() == []


def decided(bot, action):
    return submit(bot.ctx, bot.exit(BTC, action, "0.2").id)


LEAVING = {
    "a decision to close": lambda bot: decided(bot, Action.CLOSE),
    "a decision to reduce": lambda bot: decided(bot, Action.REDUCE),
    "a person": lambda bot: control.close_position(bot.ctx, BTC, actor="t", channel="t"),
}


@pytest.mark.parametrize("how", LEAVING)
def test_who_leaves_takes_the_rest_of_the_entry_along(bot, how):
    """Or it would fill afterwards, and open anew what was just closed."""
    order = half_filled(bot)
    bot.protect()
    LEAVING[how](bot)
    assert bot.okx.orders_pending() == []
    assert bot.order(order.id).state == OrderState.CANCELED
    bot.server.advance(1)
    bot.look()
    assert [p.contracts for p in bot.okx.positions(BTC)] == ([Decimal("0.2")] if "reduce" in how else [])


def test_the_rest_of_what_was_stopped_out_is_cancelled(bot):
    order = half_filled(bot)
    bot.protect()
    bot.look()
    assert cancel_due(bot.ctx) == []
    with bot.sessions.begin() as session:
        (trade,) = session.scalars(select(Trade))
        trade.closed_market_at = trade.opened_market_at  # by its stop; the rest would fill with the next price
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.okx.orders_pending() == []


def resting_add(bot):
    """Half a per cent below a position under its stop."""
    bot.with_settings(entry_limit="fok").enter(BTC)
    bot.protect()
    limit = bot.ctx.instrument(BTC).round_price(bot.okx.ticker(BTC).ask * Decimal("0.995"))
    add = bot.intend(BTC, Action.ADD, limit_price=limit)
    assert submit(bot.ctx, add.id) == OrderState.LIVE
    bot.look()
    assert cancel_due(bot.ctx) == []
    return add


def test_a_rest_whose_cancellation_was_lost_goes_with_the_next_look(bot):
    add = resting_add(bot)
    bot.fault("request_lost", CANCEL)
    decided(bot, Action.CLOSE)
    assert [o.cl_ord_id for o in bot.okx.orders_pending()] == [add.cl_ord_id]
    assert cancel_due(bot.ctx) == [add.cl_ord_id]
    assert bot.okx.orders_pending() == []


def test_an_add_does_not_outlive_what_it_adds_to(bot):
    add = resting_add(bot)
    bot.okx.close_position(BTC, "isolated", "")
    bot.look()
    assert cancel_due(bot.ctx) == [add.cl_ord_id]


def test_lockstep_refuses_resting_entries():
    with pytest.raises(SettingsError, match="ENTRY_LIMIT"):
        load_settings({"ENTRY_LIMIT": "rest", "PAPER_SPEED": "lockstep"}, dotenv=False)
