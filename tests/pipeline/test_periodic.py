"""Jobs happen once a slot, however many ask and how often."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from execution import jobs
from execution.snapshots import PERIOD_SECONDS, period_slot, take_due_snapshots
from models import JobRun, PerformanceSnapshot


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
