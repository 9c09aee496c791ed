"""What happened while the private connection was down is not known: no entries until reconciliation has said so."""

import structlog

from execution.context import ExecutionContext
from models import BotState

logger = structlog.get_logger()


def refuse_entries(ctx: ExecutionContext, reason: str) -> None:
    """Entries are refused from this commit until a reconciliation begun after it has succeeded."""
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        state.reconciled_at, state.unsettled_at = None, ctx.clock.wall_now()
    logger.info("entries_refused_until_reconciled", reason=reason)
