"""An exit that waited closes the position it was meant for, or nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from execution.submit import submit
from models import Order
from trading.clock import wall_now
from trading.decision import Action

BTC = "BTC-USDT-SWAP"


def waited(bot, order, seconds=20):
    """As if its worker had been down for so long."""
    with bot.sessions.begin() as session:
        session.execute(
            update(Order).where(Order.id == order.id).values(created_at=wall_now() - timedelta(seconds=seconds))
        )


def close_now(bot):
    bot.okx.close_position(BTC, "isolated", "")
    bot.server.post("/paper/advance", {"bars": 1})  # the next position is opened later


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("again", [Action.OPEN_LONG, Action.OPEN_SHORT])
def test_an_exit_that_waited_does_not_close_the_next_position(bot, again, seen):
    bot.enter(BTC)
    exit_ = bot.exit(BTC)
    waited(bot, exit_)
    close_now(bot)
    bot.look()
    entry = bot.intend(BTC, again)
    assert submit(bot.ctx, entry.id) == "live"
    if seen:
        bot.look()
    assert submit(bot.ctx, exit_.id) == "expired"
    assert bot.order(exit_.id).last_code == "position_gone"
    assert bot.held(BTC) is not None


def test_an_exit_that_waited_expires_when_its_position_is_gone(bot):
    bot.enter(BTC)
    exit_ = bot.exit(BTC)
    waited(bot, exit_)
    close_now(bot)  # nobody told us
    assert submit(bot.ctx, exit_.id) == "expired"


def test_an_exit_that_waited_still_closes_its_own_position(bot):
    bot.enter(BTC)
    exit_ = bot.exit(BTC)
    waited(bot, exit_, 3600)
    assert submit(bot.ctx, exit_.id) == "live"
    assert bot.held(BTC) is None


def test_an_exit_that_waited_passes_while_the_exchange_cannot_be_read(bot):
    bot.enter(BTC)
    exit_ = bot.exit(BTC)
    waited(bot, exit_)
    bot.fault("http_502_html", "/api/v5/account/positions", count=3)
    assert submit(bot.ctx, exit_.id) == "live"
    assert bot.held(BTC) is None


def test_adding_to_a_position_does_not_part_it_from_its_exit(bot):
    bot.enter(BTC, contracts="0.5")
    exit_ = bot.exit(BTC)
    waited(bot, exit_)
    bot.enter(BTC, Action.ADD, contracts="0.3")
    assert submit(bot.ctx, exit_.id) == "live"
    assert bot.held(BTC) is None
