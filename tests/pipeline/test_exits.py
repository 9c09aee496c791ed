"""Halting stops entries and nothing else; a position whose reason is gone is closed without asking anybody."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from exchange import market_keys as keys
from exchange.client import OkxExchange
from execution import control
from execution.submit import submit
from models import Order, Position
from pipeline import runner
from pipeline.handover import order_was_handled
from trading.decision import Action

BTC = "BTC-USDT-SWAP"


class NobodyToAsk:
    """An analyst that must not be reached."""

    name = "rules"

    def decide(self, request):
        raise AssertionError("the analyst was asked")


def order_of(desk, cycle_id):
    with desk.bot.sessions() as session:
        return session.query(Order).filter_by(cycle_id=cycle_id).one()


def finish(desk, cycle_id):
    """What the workers do after the gate: send, see, confirm, journal. The cycle's outcome."""
    order = order_of(desk, cycle_id)
    submit(desk.bot.ctx, order.id)
    order_was_handled(desk.bot.ctx, order.id)
    desk.bot.look()
    desk.advance(cycle_id, "account")
    desk.advance(cycle_id)
    return desk.row(cycle_id).outcome


def set_invalidation(desk, level):
    with desk.bot.sessions.begin() as session:
        row = session.query(Position).filter_by(inst_id=BTC).one()
        row.plan = {**row.plan, "invalidation": {"indicator": "close", "timeframe": "5m", "comparison": "above",
                                                 "level": level}}  # fmt: skip


@contextmanager
def candles(desk, bar, keep):
    """BTC's candles of `bar`, of which only those `keep` chooses (oldest first) are there for now."""
    held = desk.ctx.cache.candles(BTC, bar, keys.KEPT_BARS)
    redis, writer = desk.market.redis, desk.market.writer
    try:
        redis.delete(keys.candles(BTC, bar))
        writer.merge(BTC, bar, keep(held))
        yield
    finally:
        redis.delete(keys.candles(BTC, bar))
        writer.merge(BTC, bar, held)


def test_an_entry_goes_all_the_way(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.advance(cycle_id)
    assert finish(desk, cycle_id) == "opened"
    assert desk.bot.held(BTC).contracts > 0
    assert desk.bot.position(BTC).stop_px is not None
    assert [s for s in desk.stages(cycle_id) if s != "confirm"] == ["gate", "journal"]


def test_halted_an_entry_is_rejected_and_nothing_is_sent(desk):
    control.halt(desk.bot.ctx, reason="test", actor="operator", channel="cli")
    cycle_id = desk.decided(Action.OPEN_LONG)
    assert desk.advance(cycle_id) == "done"
    assert "entries_allowed" in desk.verdict(cycle_id).refused_by
    assert desk.row(cycle_id).outcome == "rejected"
    assert desk.bot.sent == []


def test_halted_between_gate_and_sending_an_entry_is_denied(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    assert desk.advance(cycle_id) == "execute"
    control.halt(desk.bot.ctx, reason="test", actor="operator", channel="cli")
    assert finish(desk, cycle_id) == "denied"
    assert desk.bot.accepted(order_of(desk, cycle_id).cl_ord_id) == 0


def test_halted_a_close_still_passes(desk):
    desk.enter(BTC)
    control.halt(desk.bot.ctx, reason="test", actor="operator", channel="cli")
    cycle_id = desk.decided(Action.CLOSE)
    assert desk.advance(cycle_id) == "execute"
    order = order_of(desk, cycle_id)
    assert (order.reduce_only, order.kind) == (True, "close_position")
    assert desk.bot.sent == [("protect.submit", "protect", [order.id])]
    assert finish(desk, cycle_id) == "closed"
    assert desk.bot.held(BTC) is None


def test_a_position_whose_invalidation_is_true_is_closed_without_asking(desk):
    desk.enter(BTC)
    set_invalidation(desk, "1")
    cycle_id = desk.cycle()
    assert runner.advance(replace(desk.ctx, analyst=NobodyToAsk()), cycle_id, "cycle") == "execute"
    row = desk.row(cycle_id)
    assert row.decision["action"] == "CLOSE"
    assert row.decision["reasoning"] == "invalidated: 5m close above 1"
    assert desk.stages(cycle_id) == ["collect", "gate"]
    assert finish(desk, cycle_id) == "closed"
    assert desk.bot.held(BTC) is None


def test_a_position_whose_reason_stands_is_left_to_the_analyst(desk):
    desk.enter(BTC)
    set_invalidation(desk, "100000000")
    cycle_id = desk.cycle()
    desk.advance(cycle_id)
    assert desk.stages(cycle_id)[:2] == ["collect", "analyze"]
    assert desk.bot.held(BTC) is not None


@pytest.mark.parametrize("bar", ["15m", "1H", "4H"])
@pytest.mark.parametrize("lacking", ["newest", "all"])
def test_an_invalidated_position_is_closed_though_a_longer_candle_is_missing(desk, bar, lacking):
    desk.enter(BTC)
    set_invalidation(desk, "1")
    cycle_id = desk.cycle()
    with candles(desk, bar, lambda held: held[:-1] if lacking == "newest" else []):
        assert runner.advance(replace(desk.ctx, analyst=NobodyToAsk()), cycle_id, "cycle") == "execute"
    market = desk.row(cycle_id).snapshot["market"]
    assert (market["late_bars"], bar in market["frames"]) == (([bar], True) if lacking == "newest" else ([], False))
    assert desk.row(cycle_id).decision["action"] == "CLOSE"
    assert finish(desk, cycle_id) == "closed"
    assert desk.bot.held(BTC) is None


@pytest.mark.parametrize("bar", ["15m", "1H", "4H"])
def test_nothing_is_decided_without_candles_of_a_timeframe(desk, bar):
    """No candle at all must not pass where one candle too few would not."""
    cycle_id = desk.cycle()
    with candles(desk, bar, lambda held: []):
        assert runner.advance(replace(desk.ctx, analyst=NobodyToAsk()), cycle_id, "cycle") == "done"
    row = desk.row(cycle_id)
    assert (row.outcome, row.reason) == ("hold", f"hold: no {bar} candle is known")


@pytest.mark.parametrize("bar", ["5m", "15m", "1H", "4H"])
def test_nothing_is_decided_over_a_hole_in_the_newest_candles(desk, bar):
    """The bar before the newest was lost on its way; it is being read anew."""
    cycle_id = desk.cycle()
    with candles(desk, bar, lambda held: held[:-2] + held[-1:]):
        for _ in range(2):
            assert runner.advance(replace(desk.ctx, analyst=NobodyToAsk()), cycle_id, "cycle") == "collect"
            desk.change(cycle_id, not_before=None)
        assert runner.advance(replace(desk.ctx, analyst=NobodyToAsk()), cycle_id, "cycle") == "done"
    row = desk.row(cycle_id)
    assert row.outcome == "hold"
    assert row.reason.startswith(f"hold: the {bar} candle due by")


def test_a_close_with_the_exchange_unreadable_goes_by_the_mirror(desk):
    desk.enter(BTC)
    cycle_id = desk.decided(Action.CLOSE)
    alone = desk.bot.settings.model_copy(update={"okx_rest_url": "http://127.0.0.1:1"})
    exchange = OkxExchange.from_settings(alone)
    blind = replace(desk.ctx, execution=replace(desk.bot.ctx, exchange=exchange))
    assert runner.advance(blind, cycle_id, "cycle") == "execute"
    assert order_of(desk, cycle_id).state == "intended"
    exchange.close()


def test_closing_nothing_ends_with_that_reason(desk):
    cycle_id = desk.decided(Action.CLOSE)
    desk.advance(cycle_id)
    desk.advance(cycle_id, "account")
    desk.advance(cycle_id)
    row = desk.row(cycle_id)
    assert row.outcome in ("denied", "rejected")
    assert "no" in row.reason
    assert "position" in row.reason


def test_an_order_whose_outcome_is_unknown_keeps_the_cycle_waiting(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.advance(cycle_id)
    order = order_of(desk, cycle_id)
    desk.bot.fault("request_lost", "/api/v5/trade/order")
    assert submit(desk.bot.ctx, order.id) == "unknown"
    order_was_handled(desk.bot.ctx, order.id)
    assert desk.row(cycle_id).stage == "confirm"
    assert desk.advance(cycle_id, "account") == "confirm"
    assert desk.row(cycle_id).not_before is not None
