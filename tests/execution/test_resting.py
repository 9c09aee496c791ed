"""A limit entry on the book: what fills before the rest has a stop of its own, and nothing rests longer than it may."""

from datetime import timedelta
from decimal import Decimal

import pytest

from execution import control
from execution.resting import cancel_due
from execution.submit import submit
from paper.launch import launch
from settings import SettingsError, load_settings
from trading.clock import wall_now
from trading.orders import OrderState

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
PLACE = "/api/v5/trade/order"


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


@pytest.mark.parametrize("how", ["halt", "drain"])
def test_nothing_rests_where_no_entry_may_be_made(bot, how):
    order = resting(bot)
    if how == "halt":
        assert control.halt(bot.ctx, reason="a test", actor="t", channel="t").in_flight == [order.cl_ord_id]
    else:
        control.set_state(bot.ctx, "draining")
    bot.fault("request_lost", "/api/v5/trade/cancel-order")
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.order(order.id).state == OrderState.LIVE, "the request was lost"
    assert cancel_due(bot.ctx) == [order.cl_ord_id]
    assert bot.order(order.id).state == OrderState.CANCELED
    assert bot.okx.orders_pending() == []


def test_lockstep_refuses_resting_entries():
    with pytest.raises(SettingsError, match="ENTRY_LIMIT"):
        load_settings({"ENTRY_LIMIT": "rest", "PAPER_SPEED": "lockstep"}, dotenv=False)
