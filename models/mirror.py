"""What the exchange last told us: algo orders, fills, positions, bills. Written by pushes and by reconcile alike."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt


class AlgoOrder(Base):
    """A stop or target on the exchange, attached or position-level. `state` as OKX spells it."""

    __tablename__ = "algo_orders"
    __table_args__ = (
        UniqueConstraint("account_id", "algo_id"),
        Index("ix_algo_orders_inst_state", "account_id", "inst_id", "state"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    algo_id: Mapped[str]
    algo_cl_ord_id: Mapped[str]
    inst_id: Mapped[str]
    ord_type: Mapped[str]
    side: Mapped[str]
    state: Mapped[str]
    sz_contracts: Mapped[Decimal | None]
    close_fraction: Mapped[Decimal | None]
    reduce_only: Mapped[bool]
    stop_loss_px: Mapped[Decimal | None]
    take_profit_px: Mapped[Decimal | None]
    actual_side: Mapped[str] = mapped_column(server_default="")
    fail_code: Mapped[str] = mapped_column(server_default="")
    ord_id: Mapped[str] = mapped_column(server_default="")
    created_market_at: Mapped[datetime]
    updated_market_at: Mapped[datetime | None]
    seen_at: Mapped[CreatedAt]


class Fill(Base):
    """One fill, once, however often it was reported. `fee` negative when paid, in `fee_ccy`."""

    __tablename__ = "fills"
    __table_args__ = (UniqueConstraint("account_id", "inst_id", "trade_id"), Index("ix_fills_ord", "ord_id"),
                      Index("ix_fills_market_at", "market_at"))  # fmt: skip
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"), index=True)
    inst_id: Mapped[str]
    trade_id: Mapped[str]
    ord_id: Mapped[str]
    cl_ord_id: Mapped[str]
    bill_id: Mapped[str]
    side: Mapped[str]
    sz_contracts: Mapped[Decimal]
    px: Mapped[Decimal]
    fee: Mapped[Decimal]
    fee_ccy: Mapped[str]
    pnl: Mapped[Decimal]
    exec_type: Mapped[str]
    market_at: Mapped[datetime]
    journalled: Mapped[bool] = mapped_column(server_default="false")  # counted in a trade
    seen_at: Mapped[CreatedAt]


class Position(Base):
    """The position in one instrument, net mode, `contracts` signed. Zero rows stay: they say flat, and since when."""

    __tablename__ = "positions"
    __table_args__ = (UniqueConstraint("account_id", "inst_id", "mgn_mode", "pos_side"),)
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    inst_id: Mapped[str]
    mgn_mode: Mapped[str]
    pos_side: Mapped[str]
    pos_id: Mapped[str]
    contracts: Mapped[Decimal]
    avg_px: Mapped[Decimal | None]
    mark_px: Mapped[Decimal | None]
    upl: Mapped[Decimal] = mapped_column(server_default="0")
    margin: Mapped[Decimal] = mapped_column(server_default="0")
    leverage: Mapped[Decimal | None]
    liq_px: Mapped[Decimal | None]
    opened_market_at: Mapped[datetime | None]
    updated_market_at: Mapped[datetime]
    stop_px: Mapped[Decimal | None]  # tightest live reduce-only stop that covers the whole position
    target_px: Mapped[Decimal | None]
    moved_stop_px: Mapped[Decimal | None]  # where the stop was moved to since; else the plan's holds
    uncovered_since: Mapped[datetime | None]  # wall
    alarmed_at: Mapped[datetime | None]  # wall: last alert or reminder of the present uncovered episode
    naked_seconds: Mapped[Decimal] = mapped_column(server_default="0")
    plan: Mapped[dict[str, Any] | None]
    seen_at: Mapped[CreatedAt]


class Bill(Base):
    """One change of the cash balance as the exchange booked it."""

    __tablename__ = "bills"
    __table_args__ = (UniqueConstraint("account_id", "bill_id"), Index("ix_bills_at", "account_id", "market_at"))
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    bill_id: Mapped[str]
    type: Mapped[str]
    sub_type: Mapped[str]
    ccy: Mapped[str]
    inst_id: Mapped[str]
    balance_change: Mapped[Decimal]
    balance: Mapped[Decimal]
    pnl: Mapped[Decimal]
    fee: Mapped[Decimal]
    sz_contracts: Mapped[Decimal | None]
    px: Mapped[Decimal | None]
    ord_id: Mapped[str]
    market_at: Mapped[datetime]
    seen_at: Mapped[CreatedAt]
