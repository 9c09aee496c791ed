"""Decision cycles, the outbox their messages leave through, verdicts, and the slots of periodic jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

STAGES = ("collect", "screen", "research", "analyze", "gate", "execute", "confirm", "journal", "done")
OUTCOMES = ("hold", "rejected", "opened", "added", "reduced", "closed", "not_filled", "expired", "denied", "failed",
            "unknown")  # fmt: skip


class DecisionCycle(Base):
    """One decision about one instrument at one slot. Whoever opens it second changes nothing.

    `stage` is the next stage to run; a claim is `claim_token` + `lease_until`; `not_before` delays a retry.
    """

    __tablename__ = "decision_cycles"
    __table_args__ = (
        UniqueConstraint("account_id", "inst_id", "slot"),
        CheckConstraint(one_of("stage", STAGES), name="stage"),
        CheckConstraint(f"outcome IS NULL OR {one_of('outcome', OUTCOMES)}", name="outcome"),
        CheckConstraint("(stage = 'done') = (outcome IS NOT NULL)", name="done_has_outcome"),
        Index("ix_decision_cycles_open", "stage", "lease_until", postgresql_where=text("stage <> 'done'")),
        Index("ix_decision_cycles_recent", "account_id", "slot"),
        Index("ix_decision_cycles_created_at", "created_at", postgresql_using="brin"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    inst_id: Mapped[str]
    slot: Mapped[datetime]  # market: close of the deciding candle
    opened_by: Mapped[str]  # feed | beat | operator
    stage: Mapped[str] = mapped_column(server_default="collect")
    claim_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(server_default="0")
    not_before: Mapped[datetime | None]
    deadline: Mapped[datetime]  # wall: no entry after it
    analyst: Mapped[str | None]
    playbook_version: Mapped[int | None]
    snapshot: Mapped[dict[str, Any] | None]  # {market, account, history}
    screening: Mapped[dict[str, Any] | None]
    research: Mapped[dict[str, Any] | None]
    decision: Mapped[dict[str, Any] | None]
    considered: Mapped[dict[str, Any] | None]  # what a model was shown beside the snapshot, for replay
    decided_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]
    stage_log: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class RiskVerdict(Base):
    """What the gate said of a cycle's decision: every check with its value and its limit."""

    __tablename__ = "risk_verdicts"
    __table_args__ = (
        CheckConstraint(one_of("effect", ("pass", "cut", "reject", "hold")), name="effect"),
        Index("ix_risk_verdicts_created_at", "created_at", postgresql_using="brin"),
    )
    id: Mapped[BigId]
    cycle_id: Mapped[int] = mapped_column(ForeignKey("decision_cycles.id"), index=True)
    approved: Mapped[bool]
    effect: Mapped[str]
    refused_by: Mapped[list[str]]
    reason: Mapped[str]
    contracts: Mapped[Decimal]
    leverage: Mapped[Decimal | None]
    margin: Mapped[Decimal | None]
    price: Mapped[Decimal | None]  # the worst fill of an entry, by which it was judged
    checks: Mapped[list[Any]]
    given: Mapped[dict[str, Any]]  # the gate's input, for replay
    created_at: Mapped[CreatedAt]


class OutboxMessage(Base):
    """A task message written in the transaction that made it necessary; sent after the commit, ids only."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),)
    id: Mapped[BigId]
    task: Mapped[str]
    queue: Mapped[str]
    args: Mapped[list[Any]]
    not_before: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None]


class JobRun(Base):
    """One run of a periodic job in one slot of market time; the unique row is the lock."""

    __tablename__ = "job_runs"
    __table_args__ = (
        UniqueConstraint("account_id", "job", "slot"),
        CheckConstraint(one_of("status", ("running", "done", "failed")), name="status"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    job: Mapped[str]
    slot: Mapped[datetime]  # market
    status: Mapped[str] = mapped_column(server_default="running")
    detail: Mapped[str | None]
    started_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
