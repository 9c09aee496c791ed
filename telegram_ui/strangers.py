"""Strangers get no answer; the owner hears of them once an hour, however many there are."""

from datetime import timedelta
from time import monotonic

from sqlalchemy import func, select

from execution import notices
from execution.context import ExecutionContext
from models import Alert

KIND = "telegram_stranger"
EVERY = timedelta(hours=1)


class Strangers:
    """Counts them, in memory and on the event loop alone: a crowd of them takes no thread from anybody."""

    def __init__(self) -> None:
        self._untold = 0
        self._told_at = float("-inf")

    def knocked(self) -> int:
        """One more update of somebody who is not listed; how many to tell of now, none within an hour."""
        self._untold += 1
        if monotonic() - self._told_at < EVERY.total_seconds():
            return 0
        self._told_at = monotonic()
        count, self._untold = self._untold, 0
        return count

    def not_told(self, count: int) -> None:
        """The database did not take it: the next one is told of."""
        self._told_at = float("-inf")
        self._untold += count


def tell(ctx: ExecutionContext, user_id: int, count: int) -> None:
    """The alert, unless there was one within the hour (before a restart)."""
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        session.execute(select(func.pg_advisory_xact_lock(ctx.account_id, 0x54474D)))
        told = session.scalar(
            select(Alert.id)
            .where(Alert.account_id == ctx.account_id, Alert.kind == KIND, Alert.created_at > now - EVERY)
            .limit(1)
        )
        if told is None:
            message = f"somebody who is not listed wrote to the bot (user id {user_id}, {count} so far)"
            notices.alert(session, ctx.account_id, KIND, "WARN", message)
