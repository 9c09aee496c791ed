"""The account this database is bound to, and the state of the bot that trades it."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, one_of

STATES = ("starting", "running", "draining", "stopped")
HALT_KINDS = ("manual", "daily_loss", "drawdown", "invariant", "unknown_state", "system_alert", "flatten")
AUTOMATIC_RISK_HALTS = ("daily_loss", "drawdown")


class Account(Base):
    """One row: a database belongs to one (mode, OKX account uid) and refuses any other."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("singleton"),
        CheckConstraint("singleton = 1", name="singleton"),
        CheckConstraint(one_of("mode", ("paper", "demo", "live")), name="mode"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mode: Mapped[str]
    uid: Mapped[str]
    order_prefix: Mapped[str]  # first characters of every clOrdId of this database: what is ours
    singleton: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    created_at: Mapped[CreatedAt]


class BotState(Base):
    """One row an account: may it trade, and what its risk limits rest on. Locked FOR SHARE by every entry claim."""

    __tablename__ = "bot_state"
    __table_args__ = (
        CheckConstraint(one_of("state", STATES), name="state"),
        CheckConstraint(f"halt_kind IS NULL OR {one_of('halt_kind', HALT_KINDS)}", name="halt_kind"),
        CheckConstraint("halted = (halt_kind IS NOT NULL)", name="halted_has_kind"),
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    state: Mapped[str] = mapped_column(server_default="starting")
    halted: Mapped[bool] = mapped_column(server_default="false")
    halt_kind: Mapped[str | None]
    halt_reason: Mapped[str | None]
    halted_by: Mapped[str | None]
    halted_at: Mapped[datetime | None]
    halted_market_at: Mapped[datetime | None]
    reconciled_at: Mapped[datetime | None]  # None: no entries until a reconcile has succeeded since start
    unsettled_at: Mapped[datetime | None]  # wall: a reconcile begun before it proves nothing (last private connect)
    started_at: Mapped[datetime | None]
    protection_seen_at: Mapped[datetime | None]  # wall; the last finished check of all stops
    entries_blocked: Mapped[str | None]  # the open invariant breach that refuses entries until it is over
    invariants_checked_at: Mapped[datetime | None]  # wall
    clock_skew_s: Mapped[Decimal | None]  # OKX's wall clock minus ours
    clock_skew_at: Mapped[datetime | None]  # wall
    # What the limits rest on. Equity in USDT, net of transfers.
    equity: Mapped[Decimal | None]
    equity_at: Mapped[datetime | None]
    equity_market_at: Mapped[datetime | None]
    day: Mapped[date | None]  # UTC market day the baseline belongs to
    day_baseline: Mapped[Decimal | None]
    peak_equity: Mapped[Decimal | None]
    transfers_total: Mapped[Decimal] = mapped_column(server_default="0")
    consecutive_losses: Mapped[int] = mapped_column(server_default="0")
    cooldown_until: Mapped[datetime | None]  # market
    control_stream_id: Mapped[str] = mapped_column(server_default="0-0")  # last system:alerts entry read
    naked_seconds_total: Mapped[Decimal] = mapped_column(server_default="0")
    updated_at: Mapped[CreatedAt]
