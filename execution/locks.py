"""Locks on instruments whose truth is not known: no entries until evidence lifts them. Every lock has a reason."""

from enum import StrEnum

import structlog
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import InstrumentLock

logger = structlog.get_logger()


class LockReason(StrEnum):
    """Why an instrument takes no entries."""

    UNKNOWN_ORDER = "unknown_order"
    MISSING_ORDER = "missing_order"
    ORPHAN_ORDER = "orphan_order"
    FOREIGN_ORDER = "foreign_order"
    FOREIGN_POSITION = "foreign_position"
    SIZE_BREAK = "size_break"
    MISSING_STOP = "missing_stop"
    ORPHAN_STOP = "orphan_stop"


def lock(session: Session, account_id: int, inst_id: str, reason: LockReason, detail: str) -> bool:
    """Lock; returns whether this lock is new. One open lock a reason."""
    created = session.execute(
        insert(InstrumentLock)
        .values(account_id=account_id, inst_id=inst_id, reason=reason, detail=detail)
        .on_conflict_do_nothing(
            index_elements=["account_id", "inst_id", "reason"], index_where=text("lifted_at IS NULL")
        )
        .returning(InstrumentLock.id)
    ).scalar_one_or_none()
    if created is not None:
        logger.warning("instrument_locked", inst_id=inst_id, reason=reason.value, detail=detail)
    return created is not None


def lift(session: Session, account_id: int, inst_id: str, reason: LockReason, evidence: str) -> bool:
    """Lift the lock of this reason, if there is one; `evidence` says what showed it to be over."""
    lifted = session.execute(
        update(InstrumentLock)
        .where(
            InstrumentLock.account_id == account_id,
            InstrumentLock.inst_id == inst_id,
            InstrumentLock.reason == reason,
            InstrumentLock.lifted_at.is_(None),
        )
        .values(lifted_at=func.clock_timestamp(), lifted_by=evidence)
        .returning(InstrumentLock.id)
    ).all()
    if lifted:
        logger.info("instrument_unlocked", inst_id=inst_id, reason=reason.value, evidence=evidence)
    return bool(lifted)


def open_locks(session: Session, account_id: int, inst_id: str | None = None) -> list[InstrumentLock]:
    """Locks in force, of one instrument or of all."""
    query = select(InstrumentLock).where(InstrumentLock.account_id == account_id, InstrumentLock.lifted_at.is_(None))
    if inst_id is not None:
        query = query.where(InstrumentLock.inst_id == inst_id)
    return list(session.scalars(query.order_by(InstrumentLock.id)))
