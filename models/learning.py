"""The playbook the bot writes for itself, and the reflections that change it."""

from datetime import datetime
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
    market_at: Mapped[datetime | None]  # market: since when it rules
    created_at: Mapped[CreatedAt]


class Reflection(Base):
    """A trade review or a deep reflection; one a window, however many triggers.

    `patch` of a deep one: what was proposed and by whom, each change with its fate. `window_start` and `window_end`
    are market time, and None for one that somebody asked for: it shifts no window.
    """

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
    window: Mapped[str]  # trade:17, deep:first, deep:2026-01-05T06:00:00.000000Z (its start), deep:asked:3
    window_start: Mapped[datetime | None]
    window_end: Mapped[datetime | None]
    trade_id: Mapped[int | None] = mapped_column(ForeignKey("trades.id"))
    statistics: Mapped[dict[str, Any]]
    patch: Mapped[dict[str, Any] | None]
    text: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str]
    playbook_version: Mapped[int | None]
    llm_call_id: Mapped[int | None] = mapped_column(ForeignKey("llm_calls.id"))
    created_at: Mapped[CreatedAt]
