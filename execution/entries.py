"""Whether an entry may be made, or go on resting on the book: the same reasons for both."""

from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from exchange.transport import SIGNED_FOR
from execution import locks
from models import BotState, Order, Position, Trade
from trading.orders import Leg, OrderState

# It runs each minute: one that has not for three is a sign that the safety machinery stands still.
RECONCILED_WITHIN = timedelta(minutes=3)
# How long an exchange may not show an order that it has accepted. OKX does not say; no report names more than seconds.
HIDDEN_FOR = timedelta(minutes=1)
RESTING = "limit"  # the one type of ours that stays on the book
EXITS = (Leg.REDUCE, Leg.CLOSE, Leg.FLATTEN)


class Standing(Protocol):
    """What of `BotState` decides, so that a row of its columns will do."""

    @property
    def state(self) -> str: ...
    @property
    def halted(self) -> bool: ...
    @property
    def halt_reason(self) -> str | None: ...
    @property
    def reconciled_at(self) -> datetime | None: ...
    @property
    def entries_blocked(self) -> str | None: ...


def refused_now(standing: Standing, now: datetime) -> tuple[str, str] | None:
    """A code and words for why no entry of any instrument may be made at `now` (wall); None when one may."""
    if standing.halted:
        return "halted", f"halted: {standing.halt_reason}"
    if standing.state != "running":
        return "not_running", f"the bot is {standing.state}"
    if standing.reconciled_at is None:
        return "not_reconciled", "no reconciliation has succeeded since the start or a reconnect"
    if now - standing.reconciled_at > RECONCILED_WITHIN:
        return "not_reconciled", f"last reconciled at {standing.reconciled_at:%H:%M:%S}"
    if standing.entries_blocked is not None:
        return "invariant", standing.entries_blocked
    return None


def forbidden(session: Session, state: BotState, order: Order, now: datetime) -> tuple[OrderState, str, str] | None:
    """Why not at `now` (wall): the state of an intent that is refused for it, a code, words. None when it may."""
    if (refused := refused_now(state, now)) is not None:
        return OrderState.DENIED, *refused
    held = locks.open_locks(session, order.account_id, order.inst_id)
    if held:
        return OrderState.DENIED, "instrument_locked", f"{order.inst_id} is locked: {held[0].reason}"
    if order.deadline is not None and order.deadline < now:
        return OrderState.EXPIRED, "deadline", "the decision is too old"
    lost = _may_turn_up(session, order, now)
    if lost is not None:
        return OrderState.DENIED, "may_turn_up", lost
    left = _left(session, order)
    return None if left is None else (OrderState.EXPIRED, "left_since", left)


def _may_turn_up(session: Session, order: Order, now: datetime) -> str | None:
    """An order that was taken for absent here a moment ago, where it could still be there or arrive, and would close or
    double what is opened meanwhile: a stop or close carries no `expTime`, so its bytes may lie somewhere until its
    signature is too old; an entry may rest on the book and not be shown yet. None where there is no such order."""
    lost = session.scalar(
        select(Order.cl_ord_id)
        .where(
            Order.account_id == order.account_id,
            Order.inst_id == order.inst_id,
            Order.state == OrderState.ABSENT,
            or_(
                (Order.kind != "order") & (Order.submitted_at > now - SIGNED_FOR),
                (Order.ord_type == RESTING) & (Order.submitted_at > now - HIDDEN_FOR),
            ),
        )
        .limit(1)
    )
    return None if lost is None else f"{lost} was not found and may still turn up"


def _left(session: Session, order: Order) -> str | None:
    """Why it would open anew what has been left since it was intended; None when it would not."""
    account, here = Order.account_id == order.account_id, Order.inst_id == order.inst_id
    leaving = session.scalar(
        select(Order.leg).where(account, here, Order.leg.in_(EXITS), Order.id > order.id).limit(1)
    )  # fmt: skip
    if leaving is not None:
        return f"a {leaving} was decided since"
    if order.leg == Leg.ADD:
        held = select(Position.id).where(
            Position.account_id == order.account_id, Position.inst_id == order.inst_id, Position.contracts != 0
        )
        return "the position it adds to is closed" if session.scalar(held.limit(1)) is None else None
    closed = select(Trade.id).where(
        Trade.account_id == order.account_id, Trade.cycle_id == order.cycle_id, Trade.closed_market_at.is_not(None)
    )
    return None if session.scalar(closed.limit(1)) is None else "what it opened is closed"
