"""Claims on a cycle: a compare-and-set with a token and a lease, in wall time.

Delivered twice, the second delivery finds nothing to claim. A worker that dies leaves a lease behind; when it has
run out, the sweep takes the token away and sends the message again. Only a lease with a token keeps others out.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, cast, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from models import DecisionCycle
from pipeline.stage import LEASE_S, StaleClaim


def claim(session: Session, cycle_id: int, stages: tuple[str, ...], now: datetime) -> DecisionCycle | None:
    """Take the cycle if it stands at one of `stages`, nobody holds it and its time has come; None otherwise."""
    cycle = session.execute(
        select(DecisionCycle)
        .where(
            DecisionCycle.id == cycle_id,
            DecisionCycle.stage.in_(stages),
            or_(DecisionCycle.claim_token.is_(None), DecisionCycle.lease_until < now),
            or_(DecisionCycle.not_before.is_(None), DecisionCycle.not_before <= now),
        )
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()
    if cycle is None:
        return None
    cycle.claim_token = uuid4()
    cycle.lease_until = now + timedelta(seconds=LEASE_S[cycle.stage])
    cycle.not_before = None
    cycle.attempt += 1
    return cycle


def settle(
    session: Session | Connection, cycle: DecisionCycle, token: UUID, values: dict[str, Any], entry: dict[str, Any]
) -> None:
    """Write a stage's result and its log entry while its claim is still current. Raises StaleClaim otherwise.

    One statement; `cycle`, which may belong to no session, is brought up to date with what was written.
    """
    written = session.scalar(
        update(DecisionCycle)
        .where(DecisionCycle.id == cycle.id, DecisionCycle.claim_token == token)
        .values(**values, stage_log=DecisionCycle.stage_log.op("||")(cast([entry], JSONB)))
        .returning(DecisionCycle.id)
        .execution_options(synchronize_session=False)
    )
    if written is None:
        raise StaleClaim(f"cycle {cycle.id}")
    for name, value in values.items():
        set_committed_value(cycle, name, value)


def lightly(session: Session) -> None:
    """Commit this transaction without waiting for the disk.

    For the bookkeeping of stages only: were PostgreSQL itself to crash, a stage would be run again. Whatever commits
    an order intent waits for the disk, and takes everything before it along.
    """
    session.execute(text("SET LOCAL synchronous_commit = off"))
