"""Alerts to people and the record of what people did."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

SEVERITIES = ("INFO", "WARN", "CRITICAL")


class Alert(Base):
    """Something a person should know."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(one_of("severity", SEVERITIES), name="severity"),
        Index("ix_alerts_created_at", "created_at"),
        Index("ix_alerts_undelivered", "id", postgresql_where=text("delivered_at IS NULL")),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    kind: Mapped[str]
    severity: Mapped[str]
    inst_id: Mapped[str | None]
    message: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    market_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    delivered_at: Mapped[datetime | None]


class AuditEntry(Base):
    """An action of a person, or of the bot on its own authority."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_at", "at"),)
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    actor: Mapped[str]
    channel: Mapped[str]  # cli | telegram | stream | bot
    action: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    at: Mapped[CreatedAt]
