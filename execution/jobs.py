"""Slots of periodic jobs: a unique row in `job_runs` is the lock, so a second beat or a late tick changes nothing.

A slot whose run failed, or whose worker died, is taken again by a later tick.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import and_, or_, update
from sqlalchemy.dialects.postgresql import insert

from models import JobRun
from models.session import SessionFactory
from trading.clock import Clock, slot_close

AGAIN_AFTER = timedelta(seconds=5)  # wall: a failed run rests before the next try
LEASE = timedelta(minutes=5)  # wall: a run that has not ended by then has died


class JobContext(Protocol):
    """What a job's slot needs: an `ExecutionContext`, or less."""

    @property
    def sessions(self) -> SessionFactory: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def account_id(self) -> int: ...


@contextmanager
def slot(ctx: JobContext, job: str, at: datetime) -> Iterator[bool]:
    """Take the slot; yields whether it is ours. The run is marked done, or failed with the exception's name."""
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        run_id = session.execute(
            insert(JobRun)
            .values(account_id=ctx.account_id, job=job, slot=at, started_at=now)
            .on_conflict_do_update(
                index_elements=["account_id", "job", "slot"],
                set_={"status": "running", "detail": None, "started_at": now, "finished_at": None},
                where=or_(
                    and_(JobRun.status == "failed", JobRun.finished_at < now - AGAIN_AFTER),
                    and_(JobRun.status == "running", JobRun.started_at < now - LEASE),
                ),
            )
            .returning(JobRun.id)
        ).scalar_one_or_none()
    if run_id is None:
        yield False
        return
    status, detail = "failed", None
    try:
        yield True
        status = "done"
    except BaseException as error:
        detail = f"{type(error).__name__}: {error}"
        raise
    finally:
        with ctx.sessions.begin() as session:
            session.execute(
                update(JobRun)
                .where(JobRun.id == run_id, JobRun.started_at == now)
                .values(status=status, detail=detail, finished_at=ctx.clock.wall_now())
            )


@contextmanager
def wall_minute(ctx: JobContext, job: str) -> Iterator[bool]:
    """A job that belongs to wall time: reconciliation."""
    with slot(ctx, job, slot_close(ctx.clock.wall_now(), 60)) as mine:
        yield mine
