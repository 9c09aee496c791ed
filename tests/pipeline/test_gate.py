"""What the gate rests on outside the pure checks: the state of the bot, its baselines, who guards the stops."""

from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from sqlalchemy import update

from execution.heartbeat import protection_checked
from models import BotState, Order
from pipeline.account_view import account_view, read_account
from trading.clock import wall_now
from trading.decision import Action
from trading.loss import fall_pct

hours = count(2)


def set_state(desk, **columns):
    with desk.bot.sessions.begin() as session:
        session.execute(update(BotState).values(**columns))


def judged(desk):
    """The gate's word on a good entry, in a slot of its own."""
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.advance(cycle_id)
    desk.change(cycle_id, slot=desk.slot - timedelta(hours=next(hours)))
    return desk.verdict(cycle_id)


def refused_by(desk):
    verdict = judged(desk)
    assert verdict.approved is (not verdict.refused_by)
    return verdict.refused_by


def value_of(desk, name):
    """What a check of the newest verdict saw."""
    return next(check["value"] for check in judged(desk).checks if check["name"] == name)


@pytest.mark.parametrize("action", [Action.OPEN_LONG, Action.OPEN_SHORT])
def test_the_order_is_what_the_verdict_judged(desk, action):
    cycle_id = desk.decided(action)
    desk.advance(cycle_id)
    verdict = desk.verdict(cycle_id)
    with desk.bot.sessions() as session:
        order = session.query(Order).filter_by(cycle_id=cycle_id).one()
    ticker = desk.bot.okx.ticker(order.inst_id)
    tick = desk.ctx.instruments[order.inst_id].tick_sz
    limit = ticker.ask * Decimal("1.0015") if action is Action.OPEN_LONG else ticker.bid * Decimal("0.9985")
    assert order.px == verdict.price
    assert abs(order.px - limit) < tick
    assert (order.px < limit) is (action is Action.OPEN_LONG)
    assert (order.sz_contracts, order.margin) == (verdict.contracts, verdict.margin)
    assert order.px % tick == order.stop_loss_px % tick == order.take_profit_px % tick == 0
    assert Decimal(order.plan["stop_loss"]) == order.stop_loss_px


def test_no_entry_where_nobody_checks_the_stops(desk):
    set_state(desk, protection_seen_at=wall_now() - timedelta(seconds=31))
    assert refused_by(desk) == ["protection"]
    set_state(desk, protection_seen_at=None)
    assert refused_by(desk) == ["protection"]
    protection_checked(desk.bot.ctx)
    assert refused_by(desk) == []


def test_no_entry_three_minutes_after_the_last_reconciliation(desk):
    set_state(desk, reconciled_at=wall_now() - timedelta(minutes=3, seconds=1))
    assert refused_by(desk) == ["entries_allowed"]
    set_state(desk, reconciled_at=wall_now() - timedelta(minutes=2, seconds=50))
    assert refused_by(desk) == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"halted": True, "halt_kind": "manual", "halt_reason": "lunch"}, "halted: lunch"),
        ({"state": "draining"}, "the bot is draining"),
        ({"reconciled_at": None}, "no reconciliation has succeeded since the start or a reconnect"),
        ({"entries_blocked": "I4 position_is_covered: BTC"}, "I4 position_is_covered: BTC"),
    ],
)
def test_the_one_reason_for_no_entry_is_said(desk, columns, said):
    set_state(desk, **columns)
    assert said in judged(desk).reason


def test_a_loss_over_the_days_limit_is_refused_before_the_monitor_has_halted(desk):
    equity = desk.bot.okx.balance().equity
    set_state(desk, day_baseline=equity / Decimal("0.96"), peak_equity=equity / Decimal("0.96"))
    assert refused_by(desk) == ["daily_loss"]
    set_state(desk, day_baseline=equity, peak_equity=equity / Decimal("0.89"))
    assert refused_by(desk) == ["drawdown"]


def test_without_todays_baseline_there_is_no_entry(desk):
    today = desk.bot.ctx.clock.market_now().date()
    set_state(desk, day=today - timedelta(days=1))
    assert refused_by(desk) == ["daily_loss"]
    set_state(desk, day=today, day_baseline=None)
    assert refused_by(desk) == ["daily_loss"]


def test_a_withdrawal_is_no_loss_and_a_deposit_hides_none(desk):
    """Baselines are kept net of transfers, equity as read contains them."""
    equity = desk.bot.okx.balance().equity
    for moved in (Decimal(-3000), Decimal(3000)):
        before = equity - moved  # what there would be without the transfer
        set_state(desk, transfers_total=moved, day_baseline=before, peak_equity=before)
        assert value_of(desk, "daily_loss") == "0 %"
        set_state(desk, day_baseline=before + 200, peak_equity=before + 200)
        loss = fall_pct(equity + 200, equity)
        assert value_of(desk, "drawdown") == f"{loss:.2f} %"


def test_an_entry_that_was_filled_in_part_and_canceled_counts_against_the_hour(desk):
    cycle_id = desk.decided(Action.OPEN_LONG)
    desk.advance(cycle_id)

    def entries(filled):
        with desk.bot.sessions.begin() as session:
            session.execute(update(Order).values(state="canceled", acc_fill_sz_contracts=filled))
        now = desk.bot.ctx.clock.market_now()
        with desk.bot.sessions() as session:
            return account_view(desk.ctx, session, read_account(desk.ctx), now).history.entries_last_hour

    assert entries(Decimal("0.1")) == 1
    assert entries(Decimal(0)) == 0


def test_an_add_rides_with_the_stop_and_target_of_its_position(desk):
    desk.enter()
    held = desk.bot.position("BTC-USDT-SWAP")
    cycle_id = desk.decided(Action.ADD)
    desk.advance(cycle_id)
    with desk.bot.sessions() as session:
        order = session.query(Order).filter_by(cycle_id=cycle_id).one()
    assert (order.leg, order.side) == ("add", "buy")
    assert (order.stop_loss_px, order.take_profit_px) == (held.stop_px, held.target_px)
    assert order.stop_loss_px != Decimal(desk.row(cycle_id).decision["stop_loss"])
