"""Order intents and what became of them; locks on instruments whose truth is not known."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of
from trading.orders import ENTRY_LEGS, OPEN_STATES, Leg, OrderState

KINDS = ("order", "algo", "close_position")


class Order(Base):
    """One intent to change the exchange, committed before anything is sent. `cl_ord_id` derives from cycle and leg.

    `kind`: order (trade/order), algo (trade/order-algo: the position-level stop and target), close_position.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("cl_ord_id"),
        CheckConstraint(one_of("leg", Leg), name="leg"),
        CheckConstraint(one_of("state", OrderState), name="state"),
        CheckConstraint(one_of("kind", KINDS), name="kind"),
        CheckConstraint(one_of("side", ("buy", "sell")), name="side"),
        CheckConstraint("sz_contracts IS NULL OR sz_contracts > 0", name="sz_positive"),
        CheckConstraint(f"reduce_only OR {one_of('leg', sorted(ENTRY_LEGS))}", name="exits_reduce_only"),
        Index(
            "uq_orders_one_open_entry",
            "account_id",
            "inst_id",
            unique=True,
            postgresql_where=text(f"{one_of('leg', sorted(ENTRY_LEGS))} AND {one_of('state', sorted(OPEN_STATES))}"),
        ),
        Index("ix_orders_open", "account_id", "state", postgresql_where=text(one_of("state", sorted(OPEN_STATES)))),
        Index("ix_orders_recent", "account_id", "created_at"),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    cycle_id: Mapped[int | None] = mapped_column(ForeignKey("decision_cycles.id"), index=True)
    leg: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default="order")
    cl_ord_id: Mapped[str]
    exchange_id: Mapped[str | None]  # ordId or algoId
    inst_id: Mapped[str]
    side: Mapped[str]
    ord_type: Mapped[str]
    td_mode: Mapped[str]
    sz_contracts: Mapped[Decimal | None]  # None: the whole position (algo, close_position)
    px: Mapped[Decimal | None]
    reduce_only: Mapped[bool]
    stop_loss_px: Mapped[Decimal | None]
    take_profit_px: Mapped[Decimal | None]
    attach_algo_cl_ord_id: Mapped[str | None]
    position_opened_at: Mapped[datetime | None]  # market: opening of the position an exit is for
    margin: Mapped[Decimal | None]  # USDT an entry binds: counted by the gate while open
    plan: Mapped[dict[str, Any] | None]  # PositionPlan of an entry
    reason: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="intended")
    claim_token: Mapped[UUID | None]
    claimed_by: Mapped[str | None]  # the process (`execution.claimant`)
    deadline: Mapped[datetime | None]  # wall: not sent after it; None for exits
    decided_at: Mapped[datetime | None]
    reference_px: Mapped[Decimal | None]  # live price when decided: drift is measured from it
    exp_time: Mapped[datetime | None]  # wall: the exchange discards the request after it
    acc_fill_sz_contracts: Mapped[Decimal] = mapped_column(server_default="0")
    avg_px: Mapped[Decimal | None]
    fee: Mapped[Decimal] = mapped_column(server_default="0")
    pnl: Mapped[Decimal] = mapped_column(server_default="0")
    last_code: Mapped[str | None]
    last_message: Mapped[str | None]
    looked_from: Mapped[datetime | None]  # exchange's clock at the first look after its call was over
    misses: Mapped[int] = mapped_column(server_default="0")  # spaced proofs of absence so far
    last_miss_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    submitted_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]


class OrderEvent(Base):
    """Append-only history of an order; a trigger refuses UPDATE and DELETE."""

    __tablename__ = "order_events"
    id: Mapped[BigId]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    source: Mapped[str]  # gate | submit | push | resolver | reconcile | sweep | control
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    at: Mapped[CreatedAt]


class InstrumentLock(Base):
    """No entries in `inst_id` until lifted by evidence. One open lock a reason."""

    __tablename__ = "instrument_locks"
    __table_args__ = (
        Index(
            "uq_instrument_locks_open",
            "account_id",
            "inst_id",
            "reason",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )
    id: Mapped[BigId]
    account_id: Mapped[AccountRef]
    inst_id: Mapped[str]
    reason: Mapped[str]  # unknown_order | foreign_order | foreign_position | size_break | missing_stop | …
    detail: Mapped[str]
    since: Mapped[CreatedAt]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
