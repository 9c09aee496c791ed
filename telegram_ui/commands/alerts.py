"""/alerts [n]: the last alerts, newest first, sent or not."""

from sqlalchemy import select

from models import Alert
from telegram_ui.commands.trades import number
from telegram_ui.desk import Answer, Desk, Request
from telegram_ui.text import day_time, escaped

MARKS = {"INFO": "ℹ️", "WARN": "⚠️", "CRITICAL": "🚨"}
MOST = 100
LONGEST = 240


def alerts(desk: Desk, request: Request) -> Answer:
    """The last `n` alerts, ten unless told."""
    wanted = number(request.words, 10, MOST)
    if wanted is None:
        return Answer.of(f"How many? /alerts 20, for example; at most {MOST}.")
    with desk.ctx.sessions() as session:
        rows = session.scalars(
            select(Alert).where(Alert.account_id == desk.ctx.account_id).order_by(Alert.id.desc()).limit(wanted)
        ).all()
    if not rows:
        return Answer.of("No alerts yet.")
    return Answer(tuple(_block(row, desk) for row in rows))


def _block(row: Alert, desk: Desk) -> str:
    at = day_time(row.created_at, desk.zone)
    return f"{MARKS[row.severity]} {at} · {escaped(row.kind)} #{row.id}\n{escaped(row.message, LONGEST)}"
