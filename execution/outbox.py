"""Task messages leave through a table: written with the change that makes them necessary, sent after its commit.

A message lost between commit and broker is sent again by the sweep. It may therefore arrive twice; what it asks for
is claimed by compare-and-set, so that the second changes nothing. Sending never happens inside a transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, event, or_, select, update
from sqlalchemy.orm import Session

from execution.context import ExecutionContext
from models import OutboxMessage
from models.session import at_once

logger = structlog.get_logger()

LOST_AFTER = timedelta(seconds=1)
LEASE = timedelta(seconds=5)  # how long a sweep keeps others from sending what it is sending
KEPT = timedelta(days=1)
BATCH = 200
_POSTED = "outbox_posted"


def post(session: Session, task: str, queue: str, args: list[Any], not_before: datetime | None = None) -> OutboxMessage:
    """Write a message in the caller's transaction. `args` are ids and words only."""
    message = OutboxMessage(task=task, queue=queue, args=args, not_before=not_before)
    session.add(message)
    session.info.setdefault(_POSTED, []).append(message)
    return message


@contextmanager
def transaction(ctx: ExecutionContext) -> Iterator[Session]:
    """A transaction whose messages are sent once it has committed."""
    with ctx.sessions.begin() as session:
        yield session
    _send_posted(ctx, session)


def relay_after_commit(ctx: ExecutionContext, session: Session) -> None:
    """Have the messages posted in somebody else's transaction sent the moment it commits."""
    if session.info.get("outbox_relays"):
        return
    session.info["outbox_relays"] = True

    @event.listens_for(session, "after_commit")
    def _(committed: Session) -> None:
        if committed.get_nested_transaction() is None:  # the release of a savepoint is no commit
            _send_posted(ctx, committed)


def relay(ctx: ExecutionContext, ids: Sequence[int] | None = None) -> int:
    """Send the named messages now, or (None: the sweep) all that are overdue. Returns how many were sent."""
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        query = select(OutboxMessage).where(OutboxMessage.sent_at.is_(None))
        if ids is not None:
            query = query.where(OutboxMessage.id.in_(ids), _due(now))
        else:
            query = query.where(
                or_(
                    OutboxMessage.not_before <= now,
                    OutboxMessage.not_before.is_(None) & (OutboxMessage.created_at < now - LOST_AFTER),
                )
            )
        messages = session.scalars(
            query.order_by(OutboxMessage.id).limit(BATCH).with_for_update(skip_locked=True)
        ).all()
        for message in messages:
            message.not_before = now + LEASE
    return _send(ctx, messages)


def purge(ctx: ExecutionContext) -> int:
    """Delete messages sent more than a day ago; returns how many."""
    with ctx.sessions.begin() as session:
        gone = session.execute(
            delete(OutboxMessage).where(OutboxMessage.sent_at < ctx.clock.wall_now() - KEPT).returning(OutboxMessage.id)
        ).all()
    return len(gone)


def _due(now: datetime) -> Any:
    return or_(OutboxMessage.not_before.is_(None), OutboxMessage.not_before <= now)


def _send_posted(ctx: ExecutionContext, session: Session) -> None:
    posted = session.info.pop(_POSTED, [])
    now = ctx.clock.wall_now()
    _send(ctx, [message for message in posted if message.not_before is None or message.not_before <= now])


def _send(ctx: ExecutionContext, messages: Sequence[OutboxMessage]) -> int:
    sent = [m.id for m in messages if ctx.send(m.task, m.queue, list(m.args)) is not False]
    if len(sent) < len(messages):
        logger.warning("outbox_send_failed", messages=len(messages) - len(sent))
    if sent:
        # Should this be lost with PostgreSQL, the sweep sends it again.
        with at_once(ctx.sessions, lightly=True) as connection:
            connection.execute(
                update(OutboxMessage).where(OutboxMessage.id.in_(sent)).values(sent_at=ctx.clock.wall_now())
            )
    return len(sent)
