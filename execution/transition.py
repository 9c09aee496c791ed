"""The only writer of order states: a compare-and-set along the state machine, with an event for every step.

When an order of a cycle has ended, the cycle is told (`account.confirm`), in the same transaction.
"""

from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from execution import outbox
from models import DecisionCycle, Order, OrderEvent
from trading.clock import wall_now
from trading.orders import OPEN_STATES, OrderState, may_become

logger = structlog.get_logger()


class IllegalTransition(RuntimeError):
    """A step the state machine does not have: a defect, never an answer of the exchange."""


def record_creation(session: Session, order: Order, source: str, detail: dict[str, Any] | None = None) -> None:
    """The first event of a new order. The order must have its id."""
    session.add(
        OrderEvent(order_id=order.id, from_state=None, to_state=order.state, source=source, detail=detail or {})
    )


def move(
    session: Session,
    order: Order,
    to: OrderState,
    source: str,
    detail: dict[str, Any] | None = None,
    **values: Any,
) -> bool:
    """Move `order` from the state it was read in to `to`, setting `values` with it.

    False, and nothing written, if somebody else moved it meanwhile. Raises IllegalTransition.
    """
    current = OrderState(order.state)
    if not may_become(current, to):
        raise IllegalTransition(f"order {order.cl_ord_id}: {current} → {to}")
    if to not in OPEN_STATES:
        values.setdefault("resolved_at", wall_now())
    moved = session.execute(
        update(Order)
        .where(Order.id == order.id, Order.state == current)
        .values(state=to, **values)
        .returning(Order)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if moved is None:
        return False
    session.add(OrderEvent(order_id=order.id, from_state=current, to_state=to, source=source, detail=detail or {}))
    logger.info(
        "order_state",
        cl_ord_id=order.cl_ord_id,
        inst_id=order.inst_id,
        before=current.value,
        state=to.value,
        source=source,
        **({} if order.cycle_id is None else {"cycle_id": order.cycle_id}),
    )
    if to not in OPEN_STATES and order.cycle_id is not None:
        _tell_the_cycle(session, order.cycle_id)
    return True


def _tell_the_cycle(session: Session, cycle_id: int) -> None:
    """Its end can be looked for now, whatever delay the confirmation had set itself."""
    session.execute(
        update(DecisionCycle)
        .where(
            DecisionCycle.id == cycle_id,
            DecisionCycle.stage == "confirm",
            DecisionCycle.claim_token.is_(None),
        )
        .values(not_before=None)
    )
    outbox.post(session, "account.confirm", "account", [cycle_id])
