"""An exchange that shows an accepted order later than any proof of absence takes: found, it is adopted, and beside it
nothing was opened."""

from decimal import Decimal

import pytest

from execution.resolver import resolve_unknown
from execution.submit import submit
from models import Alert
from paper.launch import launch
from tests.execution.conftest import BTC, until

PLACE = "/api/v5/trade/order"


@pytest.fixture(scope="module")
def exchange_server(tmp_path_factory):
    server = launch(
        tmp_path_factory.mktemp("exchange"),
        ["--speed", "lockstep", "--admin", "--warmup-bars", "300", "--switch", "order_visibility_delay_ms=8000"],
    )
    yield server
    server.stop()


def test_an_entry_that_rests_unseen_is_adopted_when_it_shows_and_stays_alone(bot):
    bot = bot.with_settings(order_exp_s=1, entry_limit="rest")
    limit = bot.ctx.instrument(BTC).round_price(bot.okx.ticker(BTC).ask * Decimal("0.995"))
    order = bot.intend(BTC, limit_price=limit)
    bot.fault("reply_lost_after_accept", PLACE)
    assert submit(bot.ctx, order.id) == "unknown"
    until(lambda: resolve_unknown(bot.ctx).get(order.cl_ord_id) == "absent")

    again = bot.intend(BTC, limit_price=limit)
    assert submit(bot.ctx, again.id) == "denied"
    assert bot.order(again.id).last_code == "may_turn_up"

    until(lambda: [shown.cl_ord_id for shown in bot.okx.orders_pending()] == [order.cl_ord_id])
    bot.look()
    assert bot.order(order.id).state == "live"
    with bot.sessions() as session:
        assert "absent_order_found" in [alert.kind for alert in session.query(Alert)]
    assert (bot.accepted(order.cl_ord_id), bot.accepted(again.cl_ord_id)) == (1, 0)
