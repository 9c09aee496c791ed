"""What becomes of instruments that enter or leave INSTRUMENTS while the bot runs.

The feed follows new ones at once, so that their history is there. The rest of the bot trades what it was started with,
because leverage is set and verified at a start; people are told so, in one line. One that has left is followed until
its position is closed: a position nobody has prices of could not be closed when its reason has gone.
"""

from collections.abc import Collection

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from execution import notices
from execution.binding import find_binding
from models import Position
from models.session import SessionFactory

logger = structlog.get_logger()
KIND = "instruments_changed"


class Followed:
    """The instruments the feed follows; `started`: those the bot was started with. One thread only."""

    def __init__(self, sessions: SessionFactory, started: tuple[str, ...]) -> None:
        self._sessions = sessions
        self._started = started
        self._listed = set(started)
        self._leaving: set[str] = set()

    def change(self, listed: tuple[str, ...]) -> tuple[str, ...]:
        """The list is another one now: what is to be followed from now on. People are told what to do."""
        before, self._listed = self._listed | self._leaving, set(listed)
        self._leaving = before - self._listed
        new = tuple(inst_id for inst_id in listed if inst_id not in before)
        logger.info("instruments_followed", new=new, leaving=sorted(self._leaving))
        message = what_to_do(self._started, listed)
        if message:
            _tell(self._sessions, message)
        return new

    def gone(self) -> set[str]:
        """Those that are to be followed no longer, each told once: they have left the list, and nothing is held."""
        if not self._leaving:
            return set()
        free = _without_position(self._sessions, self._leaving)
        self._leaving -= free
        return free


def what_to_do(started: Collection[str], listed: Collection[str]) -> str:
    """The list against the one the bot was started with, in one line; empty when they are the same."""
    new, gone = [inst for inst in listed if inst not in started], [inst for inst in started if inst not in listed]
    if not new and not gone:
        return ""
    parts = [f"{', '.join(new)}: followed now, but not traded"] if new else []
    parts += [f"{', '.join(gone)}: no new entries, followed only until its position is closed"] if gone else []
    return f"INSTRUMENTS changed. {'. '.join(parts)}. To trade the new list: okxbot down, then okxbot up"


def _without_position(sessions: SessionFactory, inst_ids: Collection[str]) -> set[str]:
    """Those in which nothing is held; none while PostgreSQL does not answer."""
    try:
        with sessions() as session:
            held = session.scalars(
                select(Position.inst_id).where(Position.inst_id.in_(inst_ids), Position.contracts != 0)
            ).all()
    except DBAPIError as error:
        logger.warning("positions_not_read", error=type(error.orig).__name__)
        return set()
    return set(inst_ids) - set(held)


def _tell(sessions: SessionFactory, message: str) -> None:
    """An alert to people; in the log alone while PostgreSQL does not answer or belongs to no account yet."""
    try:
        binding = find_binding(sessions)
        if binding is not None:
            with sessions.begin() as session:
                notices.alert(session, binding.account_id, KIND, "WARN", message)
            return
    except DBAPIError as error:
        logger.warning("alert_not_stored", error=type(error.orig).__name__)
    logger.warning(KIND, message=message)
