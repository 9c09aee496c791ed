"""/reflect and /research QUESTION: learning on demand, through the tasks that do it anyway.

The message leaves through the outbox, so that it is neither lost nor sent while the broker is down.
"""

from sqlalchemy import select

from execution import outbox
from models import AuditEntry, Reflection
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import day_time, escaped, plain

LONGEST_QUESTION = 500


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
