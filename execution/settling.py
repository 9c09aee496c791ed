"""What a person may decide about one order whose outcome is unknown, and about a lock: with evidence, on record.

The exchange has the last word: what it shows cannot be called absent, what it does not show cannot be called found.
"""

from dataclasses import dataclass

import structlog
from sqlalchemy import select

from exchange.errors import ReadFailed
from execution import following, locks, notices, outbox, resolver, transition
from execution.context import ExecutionContext
from execution.errors import Refused
from execution.locks import LockReason
from execution.ownership import expected_contracts
from models import Order
from trading.orders import OrderState

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one order. `exchange` says what the exchange shows, None that it shows nothing."""

    cl_ord_id: str
    state: str
    exchange: str | None
    readable: bool
    time_is_up: bool  # the exchange's clock is past the last moment at which it could take effect
    lines: tuple[str, ...]


def evidence(ctx: ExecutionContext, cl_ord_id: str) -> Evidence:
    """Ask the exchange about one order. Raises Refused when there is no such order or its outcome is known."""
    order = _unknown(ctx, cl_ord_id)
    lines = [
        f"{order.leg} {order.side} {order.sz_contracts or 'whole position'} {order.inst_id}, {order.kind}",
        f"sent at {order.submitted_at:%Y-%m-%d %H:%M:%S}Z; answer: {order.last_code or 'none'} "
        f"{order.last_message or ''}".rstrip(),
        f"looked for and missed {order.misses} times",
    ]
    try:
        order, up = resolver.time_is_up(ctx, order)
        shown = resolver.look_up(ctx, order)
        held = sum(p.contracts for p in ctx.exchange.positions(order.inst_id))
    except ReadFailed as failure:
        return Evidence(cl_ord_id, order.state, None, False, False, (*lines, f"the exchange is unreadable: {failure}"))
    lines.append(f"the exchange shows: {shown or 'no such order'}")
    lines.append(f"position: {held} contracts held, our fills make {expected_contracts(ctx, order.inst_id)}")
    lines.append("its time to take effect is over" if up else "it may still take effect")
    return Evidence(cl_ord_id, order.state, shown, True, up, tuple(lines))


def settle(
    ctx: ExecutionContext, cl_ord_id: str, *, found: bool, reason: str, actor: str, channel: str
) -> str:  # fmt: skip
    """End `unknown` by a person's word; returns the state it is left in. Raises Refused where the exchange differs."""
    seen = evidence(ctx, cl_ord_id)
    if not seen.readable:
        raise Refused("the exchange cannot be read now: nothing can be settled without it")
    if found and seen.exchange is None:
        raise Refused(f"the exchange does not show {cl_ord_id}: there is nothing to adopt")
    if not found and seen.exchange is not None:
        raise Refused(f"the exchange shows {cl_ord_id} as {seen.exchange}: it is not absent")
    if not found and not seen.time_is_up:
        raise Refused(f"{cl_ord_id} may still take effect; try again in a few seconds")
    detail = {"cl_ord_id": cl_ord_id, "as": "found" if found else "absent", "reason": reason, "seen": list(seen.lines)}
    with outbox.transaction(ctx) as session:
        notices.audit(session, ctx.account_id, actor, channel, "settle_order", detail)
        order = session.scalars(select(Order).where(Order.cl_ord_id == cl_ord_id).with_for_update()).one()
        if not found and order.state == OrderState.UNKNOWN:
            transition.move(session, order, OrderState.ABSENT, "control", {"reason": reason, "actor": actor})
            following.lift_unknown(ctx, session, order.inst_id, f"{cl_ord_id} settled as absent by {actor}")
    if found:
        resolver.adopt(ctx, order)
    with ctx.sessions() as session:
        state = session.scalars(select(Order.state).where(Order.cl_ord_id == cl_ord_id)).one()
    logger.warning("order_settled", cl_ord_id=cl_ord_id, state=state, actor=actor, reason=reason)
    return state


def unlock(ctx: ExecutionContext, inst_id: str, *, reason: str, actor: str, channel: str) -> list[str]:
    """Lift the locks of an instrument by a person's word; returns their reasons. Reconciliation locks again what it
    still finds. Raises Refused when there is none, or while the outcome of an order is unknown.
    """
    with ctx.sessions.begin() as session:
        held = locks.open_locks(session, ctx.account_id, inst_id)
        if not held:
            raise Refused(f"{inst_id} is not locked")
        unknown = session.scalars(
            select(Order.cl_ord_id).where(
                Order.account_id == ctx.account_id, Order.inst_id == inst_id, Order.state == OrderState.UNKNOWN
            )
        ).all()
        if unknown:
            raise Refused(f"the outcome of {', '.join(unknown)} is unknown: `okxbot order settle` it first")
        lifted = [lock.reason for lock in held]
        for lock in held:
            locks.lift(session, ctx.account_id, inst_id, LockReason(lock.reason), f"{actor}: {reason}")
        detail = {"inst_id": inst_id, "lifted": lifted, "reason": reason}
        notices.audit(session, ctx.account_id, actor, channel, "unlock", detail)
    return lifted


def _unknown(ctx: ExecutionContext, cl_ord_id: str) -> Order:
    with ctx.sessions() as session:
        order = session.scalars(
            select(Order).where(Order.account_id == ctx.account_id, Order.cl_ord_id == cl_ord_id)
        ).one_or_none()
    if order is None:
        raise Refused(f"there is no order {cl_ord_id}; `okxbot orders` lists them")
    if order.state == OrderState.SUBMITTING:
        raise Refused(f"{cl_ord_id} is being sent; it becomes unknown by itself when no answer comes")
    if order.state != OrderState.UNKNOWN:
        raise Refused(f"the outcome of {cl_ord_id} is known: {order.state}")
    return order
