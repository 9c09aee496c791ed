"""Strangers get no answer; the owner hears of them once an hour, however many there are."""

import threading
from datetime import timedelta
from time import monotonic

from sqlalchemy import func, select

from execution import notices
from execution.context import ExecutionContext
from models import Alert

KIND = "telegram_stranger"
EVERY = timedelta(hours=1)


class Strangers:
    """Counts them, and tells. Thread-safe."""

    def __init__(self, ctx: ExecutionContext) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._untold = 0
        self._told_at = float("-inf")

    def knocked(self, user_id: int) -> None:
        """One more update of somebody who is not listed. The database is asked once an hour at most."""
        with self._lock:
            self._untold += 1
            if monotonic() - self._told_at < EVERY.total_seconds():
                return
            self._told_at = monotonic()
            count, self._untold = self._untold, 0
        now = self._ctx.clock.wall_now()
        with self._ctx.sessions.begin() as session:
            session.execute(select(func.pg_advisory_xact_lock(self._ctx.account_id, 0x54474D)))
            told = session.scalar(
                select(Alert.id)
                .where(Alert.account_id == self._ctx.account_id, Alert.kind == KIND, Alert.created_at > now - EVERY)
                .limit(1)
            )
            if told is None:
                message = f"somebody who is not listed wrote to the bot (user id {user_id}, {count} so far)"
                notices.alert(session, self._ctx.account_id, KIND, "WARN", message)
