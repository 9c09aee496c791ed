"""Every model call, what it cost, and what was screened and researched."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

PURPOSES = ("screen", "research", "reduce", "decide", "keep", "review", "reflect", "whatif")
CALL_OUTCOMES = (
    "reserved", "ok", "refusal", "truncated", "invalid", "timeout", "rate_limited", "overloaded", "error",
)  # fmt: skip


class LlmCall(Base):
    """One call to a model: also the replay store and the ledger of spend.

    `reserved_usd` is the worst case booked before the call; `cost_usd` replaces it when settled.
    """

    __tablename__ = "llm_calls"
    __table_args__ = (
        CheckConstraint(one_of("purpose", PURPOSES), name="purpose"),
        CheckConstraint(one_of("outcome", CALL_OUTCOMES), name="outcome"),
        Index("ix_llm_calls_at", "account_id", "created_at"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    cycle_id: Mapped[int | None] = mapped_column(ForeignKey("decision_cycles.id"), index=True)
    purpose: Mapped[str]
    provider: Mapped[str]
    model: Mapped[str]
    prompt_version: Mapped[str]
    request_sha256: Mapped[str] = mapped_column(index=True)
    request: Mapped[dict[str, Any]]
    response: Mapped[dict[str, Any] | None]
    outcome: Mapped[str] = mapped_column(server_default="reserved")
    error: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="1")
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cache_read_tokens: Mapped[int | None]
    cache_write_tokens: Mapped[int | None]
    reserved_usd: Mapped[Decimal]
    cost_usd: Mapped[Decimal | None]
    latency_ms: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class ScreenerLog(Base):
    """What the screener said, and what was later decided: its precision and its misses."""

    __tablename__ = "screener_logs"
    __table_args__ = (Index("ix_screener_logs_at", "account_id", "created_at"),)
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    cycle_id: Mapped[int] = mapped_column(ForeignKey("decision_cycles.id"), index=True)
    screener: Mapped[str]  # haiku | none
    passed: Mapped[bool]
    bypass: Mapped[str | None]  # why nobody was asked
    fail_open: Mapped[bool] = mapped_column(server_default="false")
    confidence: Mapped[Decimal | None]
    reason: Mapped[str]
    # Screened out, yet Opus was asked: a sample by which misses are known.
    audited: Mapped[bool] = mapped_column(server_default="false")
    later_action: Mapped[str | None]  # what Opus said; None where it was not asked, or did not answer
    llm_call_id: Mapped[int | None] = mapped_column(ForeignKey("llm_calls.id"))
    created_at: Mapped[CreatedAt]


class ResearchEntry(Base):
    """An answered research question, kept an hour of wall time for reuse and for ever for replay."""

    __tablename__ = "research_cache"
    __table_args__ = (Index("ix_research_cache_key", "key", "created_at"),)
    id: Mapped[BigId]
    key: Mapped[str]  # sha256 of model, prompt version and normalised question
    question: Mapped[str]
    answer: Mapped[str]
    sources: Mapped[list[Any]]
    reduced: Mapped[dict[str, Any] | None]  # the answer as typed facts, which is all a deciding model sees of it
    llm_call_id: Mapped[int | None] = mapped_column(ForeignKey("llm_calls.id"))
    created_at: Mapped[CreatedAt]
