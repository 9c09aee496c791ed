"""A stop moves by one amendment, only towards less risk, and is judged by what the exchange then shows."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from execution import control, mirror
from execution.errors import Refused
from models import AuditEntry, Order
from trading.decision import Action
from trading.instrument import Instrument
from trading.stop_prices import break_even_price, reduces_risk, trailing_price, triggers_at_once

BTC = "BTC-USDT-SWAP"
AMEND = "/api/v5/trade/amend-algos"


def protected(bot, action=Action.OPEN_LONG):
    bot.enter(BTC, action)
    bot.protect()
    (algo,) = bot.okx.algos_pending()
    return algo


def move(bot, **how):
    return control.move_stop(bot.ctx, BTC, actor="tester", channel="cli", **how)


def between(bot, algo, share="0.5"):
    last = bot.okx.ticker(BTC).last
    return bot.ctx.instrument(BTC).round_price(algo.stop_loss_px + (last - algo.stop_loss_px) * Decimal(share))


@pytest.mark.parametrize("action", [Action.OPEN_LONG, Action.OPEN_SHORT])
def test_a_stop_moves_in_place_and_keeps_its_target(bot, action):
    algo = protected(bot, action)
    new = between(bot, algo)
    moved = move(bot, to=new)
    assert (moved.before, moved.now) == (algo.stop_loss_px, new)
    (after,) = bot.okx.algos_pending()
    assert (after.algo_id, after.stop_loss_px, after.take_profit_px) == (algo.algo_id, new, algo.take_profit_px)
    assert bot.position(BTC).stop_px == new
    assert bot.state().naked_seconds_total == 0
    with bot.sessions() as session:
        assert session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc())).first() == "move_stop"
    assert bot.look().breaks == []


@pytest.mark.parametrize("action", [Action.OPEN_LONG, Action.OPEN_SHORT])
def test_a_stop_never_moves_to_more_risk(bot, action):
    algo = protected(bot, action)
    with pytest.raises(Refused, match="only moves to less risk"):
        move(bot, to=between(bot, algo, "-0.2"))
    with pytest.raises(Refused, match="only moves to less risk"):
        move(bot, to=algo.stop_loss_px)
    assert bot.okx.algos_pending()[0].stop_loss_px == algo.stop_loss_px


def test_a_stop_that_would_trigger_at_once_is_refused(bot):
    algo = protected(bot)
    with pytest.raises(Refused, match="trigger at once"):
        move(bot, to=between(bot, algo, "1.1"))
    with pytest.raises(Refused, match="trigger at once"):
        move(bot, break_even=True)  # the entry's costs are not earned yet
    assert bot.held(BTC) is not None


def test_a_trailing_distance_is_behind_the_last_price(bot):
    protected(bot)
    last = bot.okx.ticker(BTC).last
    assert move(bot, trail_pct=Decimal("0.5")).now == bot.ctx.instrument(BTC).round_price(
        last * Decimal("0.995"), "down"
    )
    with pytest.raises(Refused, match="only moves to less risk"):
        move(bot, trail_pct=Decimal("0.7"))


def test_a_lost_reply_is_judged_by_what_the_exchange_shows(bot):
    algo = protected(bot)
    bot.fault("reply_lost_after_accept", AMEND)
    new = between(bot, algo)
    assert move(bot, to=new).now == new
    assert bot.okx.algos_pending()[0].stop_loss_px == new


def test_a_lost_request_says_that_nothing_moved(bot):
    algo = protected(bot)
    bot.fault("request_lost", AMEND)
    with pytest.raises(Refused, match="still shows"):
        move(bot, to=between(bot, algo))
    assert bot.position(BTC).moved_stop_px is None


def test_a_moved_stop_that_is_lost_comes_back_where_it_was_moved_to(bot):
    algo = protected(bot)
    new = between(bot, algo)
    move(bot, to=new)
    bot.okx.cancel_algos([(BTC, algo.algo_id)])
    bot.look()
    assert bot.protect().stops_placed == [BTC]
    (again,) = bot.okx.algos_pending()
    assert (again.stop_loss_px, again.take_profit_px) == (new, algo.take_profit_px)
    with bot.sessions() as session:
        assert session.scalars(select(Order.stop_loss_px).where(Order.leg == "stop")).all() == [new, new]


@pytest.mark.parametrize("late", [True, False])
def test_a_move_that_is_seen_late_is_remembered_like_any_other(bot, late):
    algo = protected(bot)
    new = between(bot, algo)
    if late:
        with pytest.raises(Refused, match="still shows"):
            bot.fault("request_lost", AMEND)
            move(bot, to=new)
    assert bot.okx.amend_algo(BTC, algo.algo_id, new_stop=new).kind == "accepted"  # what was on its way arrives
    bot.look()
    assert bot.position(BTC).moved_stop_px == new
    mirror.ingest_algo(bot.ctx, algo)  # a push of before, overtaken
    assert bot.position(BTC).moved_stop_px == new
    bot.okx.cancel_algos([(BTC, algo.algo_id)])
    bot.look()
    bot.protect()
    assert bot.okx.algos_pending()[0].stop_loss_px == new


def test_a_stop_moved_away_by_hand_comes_back_where_it_was(bot):
    algo = protected(bot)
    bot.okx.amend_algo(BTC, algo.algo_id, new_stop=between(bot, algo, "-0.5"))
    bot.look()
    assert bot.position(BTC).moved_stop_px is None
    bot.okx.cancel_algos([(BTC, algo.algo_id)])
    bot.look()
    bot.protect()
    assert bot.okx.algos_pending()[0].stop_loss_px == algo.stop_loss_px


def test_without_a_position_or_a_stop_nothing_moves(bot):
    with pytest.raises(Refused, match="no position"):
        move(bot, to=Decimal(1))
    bot.enter(BTC)
    with pytest.raises(Refused, match="no position-level stop"):
        move(bot, to=Decimal(1))


INSTRUMENT = Instrument(
    BTC, ct_val=Decimal("0.01"), lot_sz=Decimal("0.01"), min_sz=Decimal("0.01"), tick_sz=Decimal("0.1"),
    max_lmt_sz=Decimal(10000), max_mkt_sz=Decimal(10000), max_leverage=Decimal(100),
)  # fmt: skip
prices = st.decimals(min_value=100, max_value=200000, places=1)
sizes = st.decimals(min_value=Decimal("0.01"), max_value=1000, places=2)


@given(prices, sizes, st.booleans(), st.decimals(0, Decimal("0.002"), places=5), st.decimals(0, 50, places=4))
def test_break_even_gains_nothing_and_loses_nothing(avg, size, long, taker, paid):
    contracts = size if long else -size
    price = break_even_price(INSTRUMENT, contracts, avg, taker, paid)
    coins = INSTRUMENT.coins(size)
    if price <= 0:
        return

    def net(at):
        return coins * (at - avg) * (1 if long else -1) - paid - coins * at * taker

    assert net(price) >= 0
    worse = price - INSTRUMENT.tick_sz if long else price + INSTRUMENT.tick_sz
    assert net(worse) < 0


@given(prices, st.decimals(Decimal("0.1"), 20, places=2), st.booleans())
def test_a_trailing_stop_never_triggers_at_once_and_only_follows(last, distance, long):
    contracts = Decimal(1 if long else -1)
    stop = trailing_price(INSTRUMENT, contracts, last, distance)
    assert not triggers_at_once(contracts, last, stop)
    further = trailing_price(INSTRUMENT, contracts, last * 2 if long else last / 2, distance)
    assert reduces_risk(contracts, stop, further) or further == stop
