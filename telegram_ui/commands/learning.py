"""/reflect and /research QUESTION: learning on demand, through the tasks that do it anyway.

The message leaves through the outbox, so that it is neither lost nor sent while the broker is down.
"""

from sqlalchemy import select

from execution import control, outbox
from models import AuditEntry, Reflection
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import day_time, escaped, plain

LONGEST_QUESTION = 500


def reflect(desk: Desk, request: Request) -> Answer:
    """Have the reflection worker reflect now, whatever is due; what it found comes as an alert."""
    with desk.ctx.sessions() as session:
        last = session.scalars(
            select(Reflection)
            .where(Reflection.account_id == desk.ctx.account_id, Reflection.kind == "deep")
            .order_by(Reflection.id.desc())
            .limit(1)
        ).one_or_none()
    control.ask_reflection(desk.ctx, actor=request.actor, channel="telegram")
    text = "The bot reflects on its closed trades now; what it found comes as a message of its own."
    if last is not None:
        text += (
            f"\nLast: {day_time(last.created_at, desk.zone)}, {escaped(last.text, 300)} ({escaped(last.reason, 200)})"
        )
    return Answer.of(text)


def research(desk: Desk, request: Request) -> Answer:
    """Have the researcher asked; the answer comes as an alert. It costs money, so only admins ask."""
    if not request.words:
        return Answer.of("What do you want to know? /research Why is BTC falling?")
    if desk.settings.perplexity_api_key is None:
        return Answer.of("There is nobody to ask: research needs PERPLEXITY_API_KEY.")
    detail = {"question": plain(request.text, LONGEST_QUESTION)}
    with outbox.transaction(desk.ctx) as session:
        asked = AuditEntry(
            account_id=desk.ctx.account_id, actor=request.actor, channel="telegram", action="research_asked",
            detail=detail,
        )  # fmt: skip
        session.add(asked)
        session.flush()
        outbox.post(session, "perplexity.ask", "perplexity", [asked.id])
    return Answer.of("The researcher was asked; the answer comes as a message of its own, within a minute.")
