"""The alerts table as an outbox: what each chat has not seen, and what became of every attempt.

An attempt is committed as `sending` before the request, so that a bot that dies in between knows at its next start
that the message may have been shown.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from execution.context import ExecutionContext
from models import Alert, TelegramDelivery
from telegram_ui.alerts.policy import SEVERITIES, Key, Pending

AT_ONCE = 500
ENDED = ("sent", "refused")


def pending(ctx: ExecutionContext, chat_id: int) -> list[Pending]:
    """What this chat has not seen, oldest first; however much waits, all that is CRITICAL comes before it.

    What was being sent without an answer again and again, and perhaps shown each time, pauses: 4 s, 8 s, up to 64 s.
    """
    mine = and_(TelegramDelivery.alert_id == Alert.id, TelegramDelivery.chat_id == chat_id)
    pause_s = func.power(2, func.least(TelegramDelivery.attempts, 6))
    paused = and_(
        TelegramDelivery.state == "sending",
        TelegramDelivery.attempts > 1,
        TelegramDelivery.tried_at + func.make_interval(0, 0, 0, 0, 0, 0, pause_s) > ctx.clock.wall_now(),
    )
    query = (
        select(Alert.id, Alert.kind, Alert.severity, Alert.inst_id, Alert.created_at, TelegramDelivery.state)
        .outerjoin(TelegramDelivery, mine)
        .where(
            Alert.account_id == ctx.account_id,
            Alert.delivered_at.is_(None),
            or_(TelegramDelivery.state.is_(None), and_(TelegramDelivery.state.not_in(ENDED), not_(paused))),
        )
        .order_by(case((Alert.severity == "CRITICAL", 0), else_=1), Alert.id)
        .limit(AT_ONCE)
    )
    with ctx.sessions() as session:
        return [
            Pending(id_, kind, severity, inst_id, at, state == "sending")
            for id_, kind, severity, inst_id, at, state in session.execute(query)
        ]


def last_sent(ctx: ExecutionContext, chat_id: int, since: datetime) -> dict[Key, datetime]:
    """When this chat was last told of each kind."""
    query = (
        select(Alert.kind, Alert.severity, Alert.inst_id, func.max(TelegramDelivery.sent_at))
        .join(TelegramDelivery, TelegramDelivery.alert_id == Alert.id)
        .where(TelegramDelivery.chat_id == chat_id, TelegramDelivery.sent_at >= since)
        .group_by(Alert.kind, Alert.severity, Alert.inst_id)
    )
    found: dict[Key, datetime] = {}
    with ctx.sessions() as session:
        for kind, severity, inst_id, at in session.execute(query):
            if at is None:
                continue
            key = Pending(0, kind, severity, inst_id, at).key
            found[key] = max(at, found.get(key, at))
    return found


def begin(ctx: ExecutionContext, chat_id: int, alert_ids: Iterable[int]) -> None:
    """An attempt is about to be made."""
    now = ctx.clock.wall_now()
    rows = [{"alert_id": id_, "chat_id": chat_id, "state": "sending", "tried_at": now} for id_ in alert_ids]
    with ctx.sessions.begin() as session:
        statement = insert(TelegramDelivery).values(rows)
        again = {"state": "sending", "tried_at": now, "attempts": TelegramDelivery.attempts + 1}
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["alert_id", "chat_id"], set_=again, where=TelegramDelivery.state.not_in(ENDED)
            )
        )


def end(
    ctx: ExecutionContext, chat_id: int, alert_ids: Sequence[int], state: str, message_id: int | None = None
) -> None:
    """What became of it: sent, failed (Telegram has certainly not taken it) or refused (and never will)."""
    sent_at = ctx.clock.wall_now() if state == "sent" else None
    with ctx.sessions.begin() as session:
        session.execute(
            update(TelegramDelivery)
            .where(TelegramDelivery.chat_id == chat_id, TelegramDelivery.alert_id.in_(alert_ids))
            .values(state=state, message_id=message_id, sent_at=sent_at)
        )


def settle(ctx: ExecutionContext, chats: Sequence[int], least_severity: str) -> None:
    """Close what every chat has seen, and what is below the severity anybody wants to be told of."""
    done = (
        select(TelegramDelivery.alert_id)
        .where(TelegramDelivery.chat_id.in_(chats), TelegramDelivery.state.in_(ENDED))
        .group_by(TelegramDelivery.alert_id)
        .having(func.count() == len(chats))
    )
    below = SEVERITIES[: SEVERITIES.index(least_severity)]
    with ctx.sessions.begin() as session:
        session.execute(
            update(Alert)
            .where(
                Alert.account_id == ctx.account_id,
                Alert.delivered_at.is_(None),
                or_(Alert.id.in_(done), Alert.severity.in_(below)),
            )
            .values(delivered_at=ctx.clock.wall_now())
            .execution_options(synchronize_session=False)
        )


def horizon(now: datetime, cooldown: timedelta) -> datetime:
    """Since when deliveries matter to the rules."""
    return now - max(cooldown, timedelta(minutes=5))
