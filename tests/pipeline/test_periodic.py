"""Jobs and learning happen once a slot or window, however many ask and how often."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from execution import jobs
from execution.snapshots import PERIOD_SECONDS, period_slot, take_due_snapshots
from models import JobRun, PerformanceSnapshot, Reflection, Trade
from pipeline import learning
from trading.clock import slot_close

BTC = "BTC-USDT-SWAP"


def period_end(desk):
    """End of the last six hours of market time."""
    return slot_close(desk.bot.ctx.clock.market_now(), 6 * 3600)


def close_trades(desk, count, net="5", hours_ago=1.0):
    """Closed trades, as the journal leaves them; their ids."""
    now = period_end(desk) - timedelta(hours=hours_ago)
    with desk.bot.sessions.begin() as session:
        trades = [
            Trade(
                account_id=desk.bot.ctx.account_id, inst_id=BTC, side="long", contracts=Decimal(0),
                max_contracts=Decimal(1), entry_px=Decimal(100), exit_px=Decimal(105), pnl=Decimal(net),
                net_pnl=Decimal(net), r_multiple=Decimal(1), exit_reason="target", strategy="momentum",
                regime="ranging", opened_market_at=now - timedelta(minutes=30), closed_market_at=now,
            )
            for _ in range(count)
        ]  # fmt: skip
        session.add_all(trades)
    return [trade.id for trade in trades]


def windows(desk):
    with desk.bot.sessions() as session:
        return list(session.scalars(select(Reflection.window).order_by(Reflection.id)))


def test_a_job_slot_is_taken_once(desk, in_threads):
    def take():
        with jobs.slot(desk.bot.ctx, "test", desk.slot) as mine:
            return mine

    assert sorted(in_threads([take] * 4)) == [False, False, False, True]
    with jobs.slot(desk.bot.ctx, "test", desk.slot + timedelta(minutes=5)) as mine:
        assert mine


def test_a_job_that_fails_says_so_in_its_slot(desk):
    with pytest.raises(ValueError, match="no"), jobs.slot(desk.bot.ctx, "test", desk.slot):
        raise ValueError("no")
    with desk.bot.sessions() as session:
        run = session.scalars(select(JobRun).where(JobRun.job == "test")).one()
    assert (run.status, run.detail) == ("failed", "ValueError: no")


def test_snapshots_are_taken_once_a_slot(desk):
    now = desk.bot.ctx.clock.market_now()
    due = [p for p, s in PERIOD_SECONDS.items() if (now - period_slot(p, now)).total_seconds() <= s / 2]
    assert take_due_snapshots(desk.bot.ctx) == due
    assert take_due_snapshots(desk.bot.ctx) == []
    with desk.bot.sessions() as session:
        rows = session.scalars(select(PerformanceSnapshot)).all()
    assert [(row.period, row.slot) for row in rows] == [(p, period_slot(p, now)) for p in due]
    assert all(row.equity == desk.bot.okx.balance().equity for row in rows)


def test_a_closed_trade_is_reviewed_once(desk):
    (trade_id,) = close_trades(desk, 1)
    assert [learning.review_trade(desk.bot.ctx, trade_id) for _ in range(2)] == [True, False]
    assert windows(desk) == [f"trade:{trade_id}"]


def test_an_open_trade_is_not_reviewed(desk):
    (trade_id,) = close_trades(desk, 1)
    with desk.bot.sessions.begin() as session:
        session.get_one(Trade, trade_id).closed_market_at = None
    assert learning.review_trade(desk.bot.ctx, trade_id) is False
    assert learning.review_trade(desk.bot.ctx, 10**9) is False


def test_without_a_closed_trade_nothing_is_reflected_on(desk):
    assert learning.reflect_if_due(desk.bot.ctx) is False
    assert windows(desk) == []


def test_a_window_is_reflected_on_once_by_however_many(desk, in_threads):
    close_trades(desk, 3)
    answers = in_threads([lambda: learning.reflect_if_due(desk.bot.ctx)] * 3)
    assert sorted(answers) == [False, False, True]
    assert len(windows(desk)) == 1
    assert windows(desk)[0].startswith("deep:hours:")


def test_twenty_closed_trades_are_a_window_of_their_own(desk):
    close_trades(desk, 19)
    learning.reflect_if_due(desk.bot.ctx)
    assert len(windows(desk)) == 1
    close_trades(desk, 1, net="-5")
    assert learning.reflect_if_due(desk.bot.ctx) is True
    assert learning.reflect_if_due(desk.bot.ctx) is False
    assert windows(desk)[1:] == ["deep:trades:20"]
    with desk.bot.sessions() as session:
        found = session.scalars(select(Reflection).order_by(Reflection.id.desc()).limit(1)).one()
    assert found.statistics["all"]["trades"] == "20"
    assert found.outcome == "no_change"


@pytest.mark.parametrize("hours_ago", [30, -1])
def test_six_hours_without_a_close_are_no_window(desk, hours_ago):
    """Trades of long ago, or of the six hours that have not ended yet."""
    close_trades(desk, 2, hours_ago=hours_ago)
    assert learning.reflect_if_due(desk.bot.ctx) is False
    assert windows(desk) == []


def test_twenty_old_trades_do_not_make_every_six_hours_a_window(desk):
    close_trades(desk, 25, hours_ago=30)
    learning.reflect_if_due(desk.bot.ctx)
    assert windows(desk) == ["deep:trades:20"]
