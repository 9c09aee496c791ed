"""Alerts to people and the record of who did what, written in the transaction of what they tell."""

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import Alert, AuditEntry

logger = structlog.get_logger()


def alert(
    session: Session,
    account_id: int,
    kind: str,
    severity: str,
    message: str,
    *,
    inst_id: str | None = None,
    payload: dict[str, Any] | None = None,
    market_at: datetime | None = None,
) -> None:
    """Something a person should know. `severity`: INFO, WARN or CRITICAL."""
    session.add(
        Alert(
            account_id=account_id,
            kind=kind,
            severity=severity,
            inst_id=inst_id,
            message=message,
            payload=payload or {},
            market_at=market_at,
        )
    )
    write = {"INFO": logger.info, "WARN": logger.warning}.get(severity, logger.error)
    write("alert_raised", kind=kind, severity=severity, inst_id=inst_id, message=message)


def alert_once(
    session: Session, account_id: int, kind: str, severity: str, message: str, *, within_s: float, now: datetime
) -> bool:
    """Like `alert`, unless one of this kind was raised within so many seconds before `now`, wall time."""
    latest = session.scalar(
        select(func.max(Alert.created_at)).where(Alert.account_id == account_id, Alert.kind == kind)
    )
    if latest is not None and (now - latest).total_seconds() < within_s:
        return False
    alert(session, account_id, kind, severity, message)
    return True


def audit(session: Session, account_id: int, actor: str, channel: str, action: str, detail: dict[str, Any]) -> None:
    """An action of a person, or of the bot on its own authority. `channel`: cli, telegram, stream or bot."""
    session.add(AuditEntry(account_id=account_id, actor=actor, channel=channel, action=action, detail=detail))
    logger.info(
        "audited",
        actor=actor,
        channel=channel,
        action=action,
        **{f"detail_{k}": v for k, v in detail.items()},
    )
