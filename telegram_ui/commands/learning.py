"""/reflect and /research QUESTION: learning on demand, through the tasks that do it anyway.

The message leaves through the outbox, so that it is neither lost nor sent while the broker is down.
"""

from sqlalchemy import select

from execution import outbox
from models import Reflection
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import day_time, escaped


def reflect(desk: Desk, _request: Request) -> Answer:
    """Have the reflection worker look now; it reflects when a window has ended."""
    with desk.ctx.sessions.begin() as session:
        outbox.post(session, "reflection.due", "reflection", [])
        last = session.scalars(
            select(Reflection)
            .where(Reflection.account_id == desk.ctx.account_id, Reflection.kind == "deep")
            .order_by(Reflection.id.desc())
            .limit(1)
        ).one_or_none()
    text = (
        "The reflection worker was asked to look. It reflects when a window has ended (20 closed trades or six "
        "hours with a close), and you will be told."
    )
    if last is not None:
        text += (
            f"\nLast: {day_time(last.created_at, desk.zone)}, {escaped(last.text, 300)} ({escaped(last.reason, 200)})"
        )
    return Answer.of(text)


def research(desk: Desk, request: Request) -> Answer:
    """Not to be had yet: research is asked by decision cycles only, no task takes a question of a person."""
    if not request.words:
        return Answer.of("What do you want to know? /research Why is BTC falling?")
    return Answer.of(
        "Research on demand is not available yet: only decision cycles ask the researcher. /why shows what it said."
    )
