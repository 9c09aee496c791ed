"""Halting stops entries and nothing else; a position whose reason is gone is closed without asking anybody."""

from dataclasses import replace

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
