"""Every difference found, from its first sight to its end, in the table `breaks`.

A finding that outlives its grace is confirmed; one that is not found again is resolved. Grace is wall time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models import BreakRow

logger = structlog.get_logger()

AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference by its name. `inst_id` is empty where it concerns the account."""

    name: str
    inst_id: str
    detail: str


def note(
    session: Session,
    account_id: int,
    source: str,
    findings: Iterable[Finding],
    now: datetime,
    *,
    grace: Callable[[str], timedelta] = lambda _: AT_ONCE,
    judged: Callable[[str], bool] = lambda _: True,
) -> list[BreakRow]:
    """Bring the open rows of `source` to what was found; returns those confirmed just now.

    Names that `judged` denies could not be looked at: their rows stay, and suspicions begin anew.
    """
    one_at_a_time(session, account_id)
    found = {(f.name, f.inst_id): f for f in findings}
    confirmed = []
    for row in open_breaks(session, account_id, source, lock=True):
        finding = found.pop((row.name, row.inst_id), None)
        if finding is not None:
            row.last_seen_at, row.detail = now, finding.detail
        elif not judged(row.name):
            if row.confirmed_at is None:
                row.first_seen_at = now  # its grace counts what could be looked at only
        else:
            row.resolved_at, row.resolution = now, f"{source} no longer finds it"
            logger.info("break_resolved", name=row.name, inst_id=row.inst_id)
        if finding is not None and row.confirmed_at is None and now - row.first_seen_at >= grace(row.name):
            row.confirmed_at = now
            confirmed.append(row)
    for finding in found.values():
        row = BreakRow(
            account_id=account_id,
            source=source,
            name=finding.name,
            inst_id=finding.inst_id,
            detail=finding.detail,
            first_seen_at=now,
            last_seen_at=now,
        )
        if grace(finding.name) <= AT_ONCE:
            row.confirmed_at = now
            confirmed.append(row)
        session.add(row)
    session.flush()
    return confirmed


def one_at_a_time(session: Session, account_id: int) -> None:
    """One writer of differences and of the day's money at a time, to the end of the transaction."""
    session.execute(text("SELECT pg_advisory_xact_lock(:account, hashtext('breaks'))"), {"account": account_id})


def open_breaks(session: Session, account_id: int, source: str | None = None, *, lock: bool = False) -> list[BreakRow]:
    """Rows not resolved, suspicions included."""
    query = select(BreakRow).where(BreakRow.account_id == account_id, BreakRow.resolved_at.is_(None))
    if source is not None:
        query = query.where(BreakRow.source == source)
    if lock:
        query = query.with_for_update()
    return list(session.scalars(query.order_by(BreakRow.id)))
