"""Claims on a cycle: a compare-and-set with a token and a lease, in wall time.

Delivered twice, the second delivery finds nothing to claim. A worker that dies leaves a lease behind; when it has
run out, the sweep takes the token away and sends the message again. Only a lease with a token keeps others out.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

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


def settle(session: Session, cycle_id: int, token: UUID, values: dict[str, Any]) -> DecisionCycle:
    """Write a stage's result while its claim is still current. Raises StaleClaim otherwise."""
    row = session.execute(
        update(DecisionCycle)
        .where(DecisionCycle.id == cycle_id, DecisionCycle.claim_token == token)
        .values(**values)
        .returning(DecisionCycle)
    ).scalar_one_or_none()
    if row is None:
        raise StaleClaim(f"cycle {cycle_id}")
    return row
