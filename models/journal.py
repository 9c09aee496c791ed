"""Round trips and the account over time."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

EXIT_REASONS = ("stop", "target", "decision", "invalidation", "flatten", "liquidation", "protection", "foreign")
PERIODS = ("hourly", "daily", "weekly")


class Trade(Base):
    """From the first fill that opened a position to the one that made it flat.

    `pnl` before costs, `fees` and `funding` negative when paid, `net_pnl` their sum, all USDT.
    `r_multiple` = net P&L ÷ (entry to original stop, in USDT). MFE/MAE in R are filled by the review.
    """

    __tablename__ = "trades"
    __table_args__ = (
        CheckConstraint(one_of("side", ("long", "short")), name="side"),
        CheckConstraint(f"exit_reason IS NULL OR {one_of('exit_reason', EXIT_REASONS)}", name="exit_reason"),
        Index(
            "uq_trades_one_open",
            "account_id",
            "inst_id",
            unique=True,
            postgresql_where=text("closed_market_at IS NULL"),
        ),
        Index("ix_trades_closed", "account_id", "closed_market_at"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    inst_id: Mapped[str]
    side: Mapped[str]
    cycle_id: Mapped[int | None] = mapped_column(ForeignKey("decision_cycles.id"))
    opened_market_at: Mapped[datetime]
    closed_market_at: Mapped[datetime | None]
    contracts: Mapped[Decimal]  # open now
    max_contracts: Mapped[Decimal]
    entry_px: Mapped[Decimal]  # average
    exit_px: Mapped[Decimal | None]  # average
    exited_contracts: Mapped[Decimal] = mapped_column(server_default="0")
    pnl: Mapped[Decimal] = mapped_column(server_default="0")
    fees: Mapped[Decimal] = mapped_column(server_default="0")
    funding: Mapped[Decimal] = mapped_column(server_default="0")
    net_pnl: Mapped[Decimal] = mapped_column(server_default="0")
    risk: Mapped[Decimal | None]  # USDT from entry to the original stop
    r_multiple: Mapped[Decimal | None]
    mfe_r: Mapped[Decimal | None]  # best and worst price while open, in R before costs; the worst is ≤ 0
    mae_r: Mapped[Decimal | None]
    exit_reason: Mapped[str | None]
    strategy: Mapped[str | None]
    regime: Mapped[str | None]
    confidence: Mapped[Decimal | None]
    analyst: Mapped[str | None]
    playbook_version: Mapped[int | None]
    plan: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]


class PerformanceSnapshot(Base):
    """The account at the end of an hour, day or week of market time."""

    __tablename__ = "performance_snapshots"
    __table_args__ = (
        UniqueConstraint("account_id", "period", "slot"),
        CheckConstraint(one_of("period", PERIODS), name="period"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    period: Mapped[str]
    slot: Mapped[datetime]  # market
    equity: Mapped[Decimal]
    cash: Mapped[Decimal]
    upl: Mapped[Decimal]
    day_pnl: Mapped[Decimal | None]
    drawdown_pct: Mapped[Decimal | None]
    open_positions: Mapped[int]
    trades_closed: Mapped[int]
    net_pnl_total: Mapped[Decimal]
    fees_total: Mapped[Decimal]
    funding_total: Mapped[Decimal]
    win_rate: Mapped[Decimal | None]
    profit_factor: Mapped[Decimal | None]
    llm_cost_usd: Mapped[Decimal]
    created_at: Mapped[CreatedAt]
