"""What OKX leaves open, set the other way round: under each the bot trades a whole life right.

The defaults are what every other test trades on; `attached_after_partial` has both its ways in `test_resting.py`, and
what the channels do in either way is in `tests/feeds/test_exchange_switches.py`, with a feed under rate limits. How
50011 is understood in both its forms is in `tests/exchange`.
"""

import time
from decimal import Decimal

import pytest

from execution.resolver import resolve_unknown
from execution.submit import submit
from paper.launch import launch
from trading.decision import Action

SOL = "SOL-USDT-SWAP"
PLACE = "/api/v5/trade/order"
OTHER_WAYS = (
    "fok_attached_stops=refuse", "attached_reduce_only=false", "algos_after_close=keep",
    "order_visibility_delay_ms=1500", "duplicate_cl_ord_id=50071", "auth_messages=documented", "unknown_path=html",
    "price_band_percent=1", "position_tiers=flat", "max_mkt_sz=1",
)  # fmt: skip


@pytest.fixture(scope="module", params=OTHER_WAYS)
def exchange_server(request, tmp_path_factory):
    server = launch(
        tmp_path_factory.mktemp("exchange"),
        ["--speed", "lockstep", "--admin", "--warmup-bars", "300", "--switch", request.param],
    )
    server.switched = request.param
    yield server
    server.stop()


@pytest.fixture
def bot(bot):
    """On an exchange that refuses attached stops on fill-or-kill orders, the setting made for it."""
    return bot.with_settings(entry_order_type="market") if bot.server.switched == "fok_attached_stops=refuse" else bot


def ended(bot, order, within_s=20.0):
    """Look as a running bot does until the order has ended; the state it ended in."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        resolve_unknown(bot.ctx)
        bot.look()
        state = bot.order(order.id).state
        if state not in ("submitting", "unknown", "live", "partially_filled"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"still {state}")


def protected(bot):
    """Protect until nothing is left to do; the live stops then."""
    for _ in range(4):
        bot.protect()
        bot.look()
    return bot.okx.algos_pending()


@pytest.mark.parametrize(("action", "reply_lost"), [(Action.OPEN_LONG, True), (Action.OPEN_SHORT, False)])
def test_a_whole_life_is_traded_once_and_leaves_nothing(bot, action, reply_lost):
    entry = bot.intend(SOL, action, contracts="2")
    if reply_lost:
        bot.fault("reply_lost_after_accept", PLACE)
    assert submit(bot.ctx, entry.id) == ("unknown" if reply_lost else "live")
    assert ended(bot, entry) == "filled"
    (stop,) = protected(bot)
    assert (stop.close_fraction, stop.reduce_only, stop.stop_loss_px) == (1, True, entry.stop_loss_px)
    assert abs(bot.held(SOL).contracts) == bot.order(entry.id).acc_fill_sz_contracts

    leave = bot.exit(SOL)
    submit(bot.ctx, leave.id)
    assert ended(bot, leave) == "filled"
    assert protected(bot) == []
    assert bot.okx.positions() == []
    assert bot.audit()["accepted_more_than_once"] == []
    assert bot.locks() == set()


def test_a_stop_ends_the_position_and_opens_nothing(bot):
    """The stop lies so near that the market reaches it; nothing is then left that could open the other side."""
    entry = bot.intend(SOL, contracts="0.5", stop_pct="0.2", target_pct="0.4")
    submit(bot.ctx, entry.id)
    assert ended(bot, entry) == "filled"
    protected(bot)
    for _ in range(200):
        bot.server.advance(1)
        if not bot.okx.positions():
            break
    bot.look()
    assert protected(bot) == []
    bot.server.advance(20)
    assert bot.okx.positions() == []
    assert bot.position(SOL).contracts == Decimal(0)
