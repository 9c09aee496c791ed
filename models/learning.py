"""The playbook the bot writes for itself, and the reflections that change it."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of


class PlaybookVersion(Base):
    """One version: content, how it differs from the one before, who wrote it and on what evidence."""

    __tablename__ = "playbook_versions"
    __table_args__ = (
        UniqueConstraint("account_id", "version"),
        Index("uq_playbook_versions_active", "account_id", unique=True, postgresql_where=text("active")),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    version: Mapped[int]
    active: Mapped[bool]
    content: Mapped[dict[str, Any]]
    diff: Mapped[list[Any]]
    author: Mapped[str]  # default | reflection | operator
    reason: Mapped[str]
    evidence_trade_ids: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]


class Reflection(Base):
    """A trade review or a deep reflection; one a window, however many triggers."""

    __tablename__ = "reflections"
    __table_args__ = (
        UniqueConstraint("account_id", "window"),
        Index("ix_reflections_created_at", "created_at"),
        CheckConstraint(one_of("kind", ("trade", "deep")), name="kind"),
        CheckConstraint(one_of("outcome", ("no_change", "patched", "refused", "failed")), name="outcome"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    kind: Mapped[str]
    window: Mapped[str]  # e.g. trade:17, deep:trades:40, deep:2026-01-05T06:00Z
    trade_id: Mapped[int | None] = mapped_column(ForeignKey("trades.id"))
    statistics: Mapped[dict[str, Any]]
    text: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str]
    playbook_version: Mapped[int | None]
    llm_call_id: Mapped[int | None] = mapped_column(ForeignKey("llm_calls.id"))
    created_at: Mapped[CreatedAt]
