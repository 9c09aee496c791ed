"""Which reflection is due, and a person's wish for one. The reflection itself belongs to the `reflection` queue."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import outbox
from execution.context import ExecutionContext
from models import AuditEntry, Reflection, Trade
from trading.reflection_window import EVERY_TRADES, Window, due_window

ASKED = "deep:asked:"
ASKED_ACTION = "reflection_asked"


def anything_closed(session: Session, account_id: int) -> bool:
    """Whether there is anything to learn from at all."""
    query = select(Trade.id).where(Trade.account_id == account_id, Trade.closed_market_at.is_not(None)).limit(1)
    return session.scalar(query) is not None


def due_reflection(session: Session, account_id: int, market_now: datetime) -> Window | None:
    """The earliest window that has ended and nobody has reflected on."""
    closed = (Trade.account_id == account_id, Trade.closed_market_at.is_not(None))
    last = session.scalar(
        select(func.max(Reflection.window_end)).where(Reflection.account_id == account_id, Reflection.kind == "deep")
    )
    start = last or session.scalar(select(func.min(Trade.opened_market_at)).where(*closed))
    if start is None:
        return None
    closes = session.scalars(
        select(Trade.closed_market_at)
        .where(*closed, Trade.closed_market_at > start)
        .order_by(Trade.closed_market_at)
        .limit(EVERY_TRADES + 1)
    ).all()
    return due_window(start, [at for at in closes if at is not None], market_now, first=last is None)


def ask_reflection(ctx: ExecutionContext, *, actor: str, channel: str) -> str:
    """Have the reflection worker reflect now, whatever is due; returns the window its answer will be stored under.

    The message leaves through the outbox, so that it is neither lost nor sent while the broker is down.
    """
    with outbox.transaction(ctx) as session:
        asked = AuditEntry(
            account_id=ctx.account_id, actor=actor, channel=channel, action=ASKED_ACTION, detail={}
        )  # fmt: skip
        session.add(asked)
        session.flush()
        outbox.post(session, "reflection.asked", "reflection", [asked.id])
        return f"{ASKED}{asked.id}"


def answer_to(session: Session, account_id: int, window: str) -> Reflection | None:
    """What the worker stored under `window`, once it has."""
    return session.scalars(
        select(Reflection).where(Reflection.account_id == account_id, Reflection.window == window)
    ).one_or_none()
