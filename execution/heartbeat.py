"""That the stops are being checked: the wall time of the last complete check, which every entry asks for.

One small write each tick. It need not survive a crash of PostgreSQL: after one, the next tick writes it anew.
"""

from sqlalchemy import update

from execution.context import ExecutionContext
from models import BotState
from models.session import at_once


def protection_checked(ctx: ExecutionContext) -> None:
    """A check of all stops has ended, now, with everything read that it had to read."""
    with at_once(ctx.sessions, lightly=True) as connection:
        connection.execute(
            update(BotState)
            .where(BotState.account_id == ctx.account_id)
            .values(protection_seen_at=ctx.clock.wall_now())
        )
