"""Halt, resume, flatten: what people may order, and what holds from the moment they get their answer."""

import random
import threading
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from exchange.client import OkxExchange
from execution import control
from execution.errors import Refused
from execution.submit import submit
from models import AuditEntry, Order
from trading.clock import wall_now
from trading.decision import Action
from trading.orders import OrderRequest

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"


def halted(bot, reason="a test", **more):
    return control.halt(bot.ctx, reason=reason, actor="tester", channel="cli", **more)


def audited(bot):
    """Who did what, oldest first."""
    with bot.sessions() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    return [(entry.action, entry.actor, entry.channel, entry.detail) for entry in entries]


def test_halt_refuses_entries_and_lets_closing_pass(bot):
    bot.enter(BTC)
    entry = bot.intend(ETH)
    answer = halted(bot)
    assert (answer.new, answer.kind, answer.in_flight) == (True, "manual", [])
    assert submit(bot.ctx, entry.id) == "denied"
    assert bot.accepted(entry.cl_ord_id) == 0
    assert submit(bot.ctx, bot.exit(BTC).id) == "live"


def test_after_the_answer_no_entry_is_claimed(bot):
    """Claims race a halt; the answer of the halt divides them."""
    generator = random.Random(7)
    for inst_id in (BTC, ETH, SOL):
        order = bot.intend(inst_id)
        start = threading.Barrier(2)
        answered: list[control.HaltAnswer] = []

        def claim(order=order, start=start):
            start.wait()
            time.sleep(generator.random() * 0.01)
            submit(bot.ctx, order.id)

        thread = threading.Thread(target=claim)
        thread.start()
        start.wait()
        time.sleep(generator.random() * 0.01)
        answered.append(halted(bot))
        state = bot.order(order.id).state
        thread.join()
        if state in ("intended", "denied"):
            assert bot.order(order.id).state == "denied"
            assert bot.accepted(order.cl_ord_id) == 0
        else:
            assert state in ("submitting", "live")
            assert state == "live" or answered[0].in_flight in ([order.cl_ord_id], [])
        bot.look()
        control.resume(bot.ctx, actor="tester", channel="cli")


def test_a_second_halt_keeps_the_first_reason(bot):
    halted(bot, "first")
    answer = halted(bot, "second")
    assert (answer.new, answer.kept, answer.reason) == (False, True, "first")
    assert answer.beside == "; what was said now is in the audit log only"
    assert audited(bot) == [
        ("halt", "tester", "cli", {"kind": "manual", "reason": "first"}),
        ("halt", "tester", "cli", {"kind": "manual", "reason": "second", "kept": "manual: first"}),
    ]


def test_a_person_halting_over_an_automatic_halt_makes_it_manual(bot):
    halted(bot, "too much", kind="daily_loss")
    answer = halted(bot, "I say so")
    assert (answer.new, answer.kept, answer.reason) == (False, False, "I say so")
    assert answer.beside == "; it replaces daily_loss: too much"
    assert bot.state().halt_kind == "manual"
    assert audited(bot)[-1][3] == {"kind": "manual", "reason": "I say so", "replaces": "daily_loss: too much"}


def test_every_flatten_is_audited_also_of_a_halted_bot(bot):
    halted(bot, "first")
    assert control.flatten(bot.ctx, actor="one", channel="cli").flat
    assert control.flatten(bot.ctx, all_=True, actor="other", channel="telegram").flat
    assert [entry for entry in audited(bot) if entry[0] == "flatten"] == [
        ("flatten", "one", "cli", {"all": False}),
        ("flatten", "other", "telegram", {"all": True}),
    ]
    assert bot.state().halt_reason == "first"


def test_the_stream_position_is_stored_with_the_halt(bot):
    halted(bot, kind="system_alert", control_stream_id="17-0")
    assert bot.state().control_stream_id == "17-0"


def test_resume_lifts_and_says_who(bot):
    halted(bot)
    control.resume(bot.ctx, actor="tester", channel="telegram")
    assert not bot.state().halted
    with bot.sessions() as session:
        actions = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(a.action, a.actor, a.channel) for a in actions][-1] == ("resume", "tester", "telegram")


def test_resume_lifts_no_other_halt_than_the_one_that_was_judged(bot):
    halted(bot)
    judged = control.which(bot.state())
    control.resume(bot.ctx, actor="tester", channel="cli")
    control.halt(bot.ctx, reason="I3", kind="invariant", actor="bot", channel="bot")
    with pytest.raises(Refused, match="another one"):
        control.resume(bot.ctx, actor="tester", channel="telegram", only=judged)
    assert bot.state().halted
    control.resume(bot.ctx, actor="tester", channel="telegram", only=control.which(bot.state()))
    assert not bot.state().halted


def test_resume_refuses_while_an_outcome_is_unknown(bot):
    order = bot.intend(BTC)
    bot.fault("request_lost", "/api/v5/trade/order")
    submit(bot.ctx, order.id)
    halted(bot)
    with pytest.raises(Refused, match=order.cl_ord_id):
        control.resume(bot.ctx, actor="tester", channel="cli")


def test_resume_of_a_running_bot_is_refused(bot):
    with pytest.raises(Refused, match="not halted"):
        control.resume(bot.ctx, actor="tester", channel="cli")


def test_flatten_closes_three_positions_and_leaves_no_stop(bot):
    for inst_id, action in ((BTC, Action.OPEN_LONG), (ETH, Action.OPEN_SHORT), (SOL, Action.OPEN_LONG)):
        bot.enter(inst_id, action)
    bot.protect()
    answer = control.flatten(bot.ctx, actor="tester")
    assert answer.flat, answer
    assert sorted(answer.closed) == [BTC, ETH, SOL]
    assert bot.okx.positions() == []
    assert bot.okx.algos_pending() == []
    bot.look()
    assert [t.exit_reason for t in bot.trades()] == ["flatten"] * 3
    assert bot.state().halt_kind == "flatten"


def test_flatten_works_when_no_message_can_be_sent(bot):
    bot.enter(BTC)
    mute = replace(bot.ctx, send=lambda task, queue, args: False)
    assert control.flatten(mute, actor="tester").flat
    assert bot.held(BTC) is None


def test_flatten_knows_a_position_whose_fill_nobody_told(bot):
    order = bot.intend(BTC)
    submit(bot.ctx, order.id)  # filled on the exchange; no push, no reconciliation
    answer = control.flatten(bot.ctx, actor="tester")
    assert (answer.flat, answer.closed) == (True, [BTC])
    assert bot.held(BTC) is None


def test_flatten_finishes_although_a_reply_is_lost(bot):
    bot.enter(BTC)
    bot.fault("reply_lost_after_accept", "close-position")
    assert control.flatten(bot.ctx, actor="tester").flat
    assert bot.held(BTC) is None


def test_an_automatic_halt_clears_on_an_orderly_restart_and_a_manual_one_does_not(bot):
    halted(bot, kind="daily_loss")
    assert control.clear_automatic_halts_on_restart(bot.ctx)
    assert not bot.state().halted
    halted(bot)
    assert not control.clear_automatic_halts_on_restart(bot.ctx)
    assert bot.state().halted
    strict = bot.with_settings(halt_clears_on_restart=False)
    control.resume(bot.ctx, actor="tester", channel="cli")
    halted(bot, kind="drawdown")
    assert not control.clear_automatic_halts_on_restart(strict.ctx)


def test_an_entry_filled_while_flatten_looks_is_closed_and_never_left_without_its_stop(bot):
    """Stops are listed before positions: one seen live cannot be that of a position the same look has missed."""
    bot.enter(BTC)
    late = bot.intend(ETH)
    seen = []

    class Filling(OkxExchange):
        def positions(self, inst_id=None):
            found = super().positions(inst_id)
            if not seen:  # right after the first look at the positions
                seen.append(True)
                self.place_order(request_of(late), wall_now() + timedelta(seconds=2))
            return found

        def cancel_algos(self, algos):
            held = {p.inst_id for p in super().positions()}
            assert not held & {inst_id for inst_id, _ in algos}, "a stop was cancelled before its position was closed"
            return super().cancel_algos(algos)

    with bot.sessions.begin() as session:  # its sender had claimed it before the halt
        session.execute(
            update(Order).where(Order.id == late.id).values(
                state="submitting", submitted_at=wall_now(), exp_time=wall_now() + timedelta(seconds=2)
            )
        )  # fmt: skip
    ctx = replace(bot.ctx, exchange=Filling.from_settings(bot.settings))
    answer = control.flatten(ctx, actor="tester")
    assert answer.flat, answer
    assert sorted(answer.closed) == [BTC, ETH]
    assert (bot.okx.positions(), bot.okx.algos_pending()) == ([], [])
    ctx.exchange.close()


def request_of(order):
    return OrderRequest(
        order.inst_id, order.side, order.ord_type, order.sz_contracts, order.cl_ord_id, order.td_mode, px=order.px,
        stop_loss_px=order.stop_loss_px, take_profit_px=order.take_profit_px,
        attach_algo_cl_ord_id=order.attach_algo_cl_ord_id,
    )  # fmt: skip


def test_flatten_closes_our_part_of_a_partly_foreign_position(bot):
    bot.enter(BTC, Action.OPEN_SHORT, contracts="0.5")
    bot.okx.place_order(
        OrderRequest(BTC, "sell", "market", Decimal("0.2"), "", "isolated"), wall_now() + timedelta(seconds=2)
    )
    answer = control.flatten(bot.ctx, actor="tester")
    assert bot.held(BTC).contracts == Decimal("-0.2")
    assert (answer.flat, answer.closed, answer.untouched) == (True, [BTC], [BTC])
    assert control.flatten(bot.ctx, all_=True, actor="tester").flat
    assert bot.okx.positions() == []
