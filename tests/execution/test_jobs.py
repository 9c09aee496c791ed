"""A slot is run once; one whose run failed or died is run again."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from execution import jobs
from models import JobRun
from trading.clock import wall_now

AT = datetime(2026, 3, 1, tzinfo=UTC)


def taken(bot):
    with jobs.slot(bot.ctx, "a test", AT) as mine:
        return mine


def fail(bot):
    with pytest.raises(OSError, match="no luck"), jobs.slot(bot.ctx, "a test", AT):
        raise OSError("no luck")


def row(bot):
    with bot.sessions() as session:
        return session.scalars(select(JobRun).where(JobRun.job == "a test")).one()


def rewind(bot, **values):
    with bot.sessions.begin() as session:
        session.execute(update(JobRun).where(JobRun.job == "a test").values(**values))


def test_a_slot_is_taken_once(bot):
    assert [taken(bot), taken(bot)] == [True, False]
    assert row(bot).status == "done"


def test_a_failed_slot_rests_and_is_taken_again(bot):
    fail(bot)
    assert (row(bot).status, row(bot).detail) == ("failed", "OSError: no luck")
    assert not taken(bot)
    rewind(bot, finished_at=wall_now() - timedelta(seconds=6))
    assert taken(bot)
    assert (row(bot).status, row(bot).detail) == ("done", None)


def test_a_slot_whose_worker_died_is_taken_again(bot):
    with jobs.slot(bot.ctx, "a test", AT) as mine:
        assert mine
        assert not taken(bot)
        rewind(bot, started_at=wall_now() - timedelta(minutes=6))
        assert taken(bot)
    assert row(bot).status == "done"  # the one that was late does not overwrite it
