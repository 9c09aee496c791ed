"""The second step: a nonce that one user may use once, within a minute of wall time."""

import secrets
from datetime import timedelta

from sqlalchemy import update

from execution.context import ExecutionContext
from models import TelegramConfirmation
from telegram_ui.desk import Button, Question

WITHIN = timedelta(seconds=60)


def ask(ctx: ExecutionContext, user_id: int, question: Question) -> tuple[Button, Button]:
    """Store the question; returns the buttons that answer it."""
    nonce = secrets.token_urlsafe(16)
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        session.add(
            TelegramConfirmation(
                nonce=nonce, account_id=ctx.account_id, user_id=user_id, action=question.action,
                detail=question.detail, asked_at=now, expires_at=now + WITHIN,
            )
        )  # fmt: skip
    return Button("✅ Yes, do it", f"go:{nonce}"), Button("✖ No", f"no:{nonce}")


def take(ctx: ExecutionContext, user_id: int, nonce: str) -> Question | None:
    """The question this nonce answers; None when it is unknown, another's, used or expired. Uses it up."""
    now = ctx.clock.wall_now()
    with ctx.sessions.begin() as session:
        row = session.execute(
            update(TelegramConfirmation)
            .where(
                TelegramConfirmation.nonce == nonce,
                TelegramConfirmation.account_id == ctx.account_id,
                TelegramConfirmation.user_id == user_id,
                TelegramConfirmation.used_at.is_(None),
                TelegramConfirmation.expires_at > now,
            )
            .values(used_at=now)
            .returning(TelegramConfirmation.action, TelegramConfirmation.detail)
        ).one_or_none()
    return None if row is None else Question(row.action, row.detail)
