"""Differences that were found, and the account's money day by day."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

SOURCES = ("reconcile", "invariants")


class BreakRow(Base):
    """One difference between our books and the exchange, or one broken invariant, from its first sight to its end.

    `inst_id` is empty where it concerns the account. `confirmed_at` is set once it outlived its grace; before that it
    is a suspicion. One open row a name and instrument.
    """

    __tablename__ = "breaks"
    __table_args__ = (
        CheckConstraint(one_of("source", SOURCES), name="source"),
        Index(
            "uq_breaks_open",
            "account_id",
            "name",
            "inst_id",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index("ix_breaks_recent", "account_id", "id"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    source: Mapped[str]
    name: Mapped[str]
    inst_id: Mapped[str] = mapped_column(server_default="")
    detail: Mapped[str]
    first_seen_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    confirmed_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None]


class MoneyDay(Base):
    """The account from its first settled sight of one UTC market day to that of the next. USDT, exact.

    closing − opening equity = realised + fees + funding + liquidation + transfers + other + (closing − opening upl);
    `difference` is what is left over and must be zero. Transfers in are positive, costs negative. While the day runs,
    `closing_*` is the latest settled sight and `closed` is false.
    """

    __tablename__ = "money_days"
    __table_args__ = (UniqueConstraint("account_id", "day"),)
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    day: Mapped[date]
    opened_market_at: Mapped[datetime]
    opening_bill_id: Mapped[int | None]  # bills.id of the newest bill the opening figures contain
    opening_equity: Mapped[Decimal]
    opening_upl: Mapped[Decimal]
    realised: Mapped[Decimal] = mapped_column(server_default="0")
    fees: Mapped[Decimal] = mapped_column(server_default="0")
    funding: Mapped[Decimal] = mapped_column(server_default="0")
    liquidation: Mapped[Decimal] = mapped_column(server_default="0")
    transfers: Mapped[Decimal] = mapped_column(server_default="0")
    other: Mapped[Decimal] = mapped_column(server_default="0")
    closing_market_at: Mapped[datetime]
    closing_bill_id: Mapped[int | None]
    closing_equity: Mapped[Decimal]
    closing_upl: Mapped[Decimal]
    difference: Mapped[Decimal] = mapped_column(server_default="0")
    closed: Mapped[bool] = mapped_column(server_default="false")
