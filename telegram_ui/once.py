"""Updates by their id: acted on once, whatever Telegram sends again.

Telegram repeats an update until it is acknowledged, which the library does before the handlers have finished. An
update of a listed user is therefore stored before it is acted on. `/halt` alone is stored after it took effect: it
may safely be done twice, and must not be lost to a crash in between.
"""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from execution import notices
from execution.context import ExecutionContext
from models import TelegramUpdate

KEPT = timedelta(days=30)


def claim(ctx: ExecutionContext, update_id: int, user_id: int, what: str, *, audited: bool) -> bool:
    """Whether this update is ours to act on now. `audited`: it asks for a change, and the audit log says who asked."""
    with ctx.sessions.begin() as session:
        new = session.execute(
            insert(TelegramUpdate)
            .values(update_id=update_id, user_id=user_id, what=what)
            .on_conflict_do_nothing()
            .returning(TelegramUpdate.update_id)
        ).scalar_one_or_none()
        if new is not None and audited:
            detail = {"update_id": update_id, "asked": what}
            notices.audit(session, ctx.account_id, f"telegram:{user_id}", "telegram", "asked", detail)
    return new is not None


def seen(ctx: ExecutionContext, update_id: int) -> bool:
    """Whether it was acted on before."""
    with ctx.sessions() as session:
        return session.scalar(select(TelegramUpdate.update_id).where(TelegramUpdate.update_id == update_id)) is not None


def forget_old(ctx: ExecutionContext) -> None:
    """Telegram keeps an update for a day; ids older than a month serve nobody."""
    with ctx.sessions.begin() as session:
        session.execute(delete(TelegramUpdate).where(TelegramUpdate.received_at < ctx.clock.wall_now() - KEPT))
