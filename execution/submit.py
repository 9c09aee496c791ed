"""One call: `intended` → `submitting` by compare-and-set, committed; then the winner alone asks the exchange, once.

The claim takes `bot_state` FOR SHARE, so that it either commits before a halt does or not at all. A row in
`submitting` is never sent again: whoever finds one left behind looks for the truth instead (`execution.resolver`).
"""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import bound, claimant, entries, locks, notices, outbox, resting, transition
from execution.context import ExecutionContext
from execution.failpoints import calling, reached
from execution.live_price import live_price
from models import BotState, Order
from models.session import at_once
from trading.orders import ENTRY_LEGS, AlgoRequest, Leg, OrderRequest, OrderState, Outcome, OutcomeKind

logger = structlog.get_logger()

NOT_CLAIMED = "not_claimed"
BPS = Decimal(10000)


def submit(ctx: ExecutionContext, order_id: int) -> str:
    """Send the intent if it is ours to send; returns the state it was left in, or `not_claimed` without any effect."""
    with at_once(ctx.sessions) as connection, Session(connection) as session:
        order = session.get(Order, order_id)
    if order is None or order.state != OrderState.INTENDED:
        return NOT_CLAIMED
    with structlog.contextvars.bound_contextvars(**correlation(order)):
        return _submit(ctx, order)


def correlation(order: Order) -> dict[str, object]:
    """What every log line about this order carries: its id and, where a decision made it, the cycle's."""
    return {"cl_ord_id": order.cl_ord_id} | ({} if order.cycle_id is None else {"cycle_id": order.cycle_id})


def _submit(ctx: ExecutionContext, order: Order) -> str:
    drift = _drift_reason(ctx, order) if order.leg in ENTRY_LEGS else None
    if order.reduce_only:
        bound.look_again(ctx, order)
        if order.leg != Leg.STOP:
            resting.withdraw(ctx, f"{order.leg} {order.cl_ord_id}", order.inst_id)
    reached("before_claim")
    claimed = _claim(ctx, order.id, drift)
    if not isinstance(claimed, Order):
        return claimed
    reached("after_claim")
    calling()
    outcome = _call(ctx, claimed)
    reached("after_reply")
    assert claimed.claim_token is not None
    return _settle(ctx, order.id, claimed.claim_token, outcome)


def _drift_reason(ctx: ExecutionContext, order: Order) -> str | None:
    """Why the live price forbids this entry; None when it does not."""
    if order.reference_px is None:
        return "the price the decision rests on is not known"
    try:
        last = live_price(ctx, order.inst_id)
    except ReadFailed as failure:
        return f"the live price is not known: {failure}"
    drift = abs(last - order.reference_px) / order.reference_px * BPS
    limit = ctx.settings.max_price_drift_bps
    return f"price moved {drift:.1f} bps since the snapshot, limit {limit}" if drift > limit else None


def _claim(ctx: ExecutionContext, order_id: int, drift: str | None) -> Order | str:
    with outbox.transaction(ctx) as session:
        state = session.execute(
            select(BotState).where(BotState.account_id == ctx.account_id).with_for_update(read=True)
        ).scalar_one()
        order = session.get_one(Order, order_id, with_for_update=True)
        # Only now: the time spent waiting for these rows is none of the call's.
        now = ctx.clock.wall_now()
        if order.state != OrderState.INTENDED:
            return NOT_CLAIMED
        refusal = _refusal(ctx, session, state, order, drift)
        if refusal is not None:
            to, code, reason = refusal
            transition.move(session, order, to, "submit", {"reason": reason}, last_code=code, last_message=reason)
            logger.warning("order_not_sent", cl_ord_id=order.cl_ord_id, code=code, reason=reason)
            return to.value
        transition.move(
            session,
            order,
            OrderState.SUBMITTING,
            "submit",
            claim_token=uuid4(),
            claimed_by=claimant.this_process(),
            submitted_at=now,
            exp_time=now + timedelta(seconds=ctx.settings.order_exp_s),
        )
        return order


def _refusal(
    ctx: ExecutionContext, session: Session, state: BotState, order: Order, drift: str | None
) -> tuple[OrderState, str, str] | None:
    """Why this intent may not be sent. Whatever only reduces always may, while its position is there."""
    if order.reduce_only:
        over = bound.gone(session, order)
        return None if over is None else (OrderState.EXPIRED, "position_gone", over)
    against = entries.forbidden(session, state, order, ctx.clock.wall_now())
    if against is not None:
        return against
    if drift is not None:
        return OrderState.EXPIRED, "price_drift", drift
    return None


def _call(ctx: ExecutionContext, order: Order) -> Outcome:
    """The one request."""
    if order.kind == "close_position":
        return ctx.exchange.close_position(order.inst_id, order.td_mode, order.cl_ord_id, signed_at=order.submitted_at)
    if order.kind == "algo":
        return ctx.exchange.place_algo(
            AlgoRequest(
                inst_id=order.inst_id,
                side=order.side,
                algo_cl_ord_id=order.cl_ord_id,
                td_mode=order.td_mode,
                stop_loss_px=order.stop_loss_px,
                take_profit_px=order.take_profit_px,
            ),
            order.submitted_at,
        )
    assert order.sz_contracts is not None, "an order without a size"
    assert order.exp_time is not None, "a claim sets expTime"
    return ctx.exchange.place_order(
        OrderRequest(
            inst_id=order.inst_id,
            side=order.side,
            ord_type=order.ord_type,
            sz_contracts=order.sz_contracts,
            cl_ord_id=order.cl_ord_id,
            td_mode=order.td_mode,
            px=order.px,
            reduce_only=order.reduce_only,
            stop_loss_px=order.stop_loss_px,
            take_profit_px=order.take_profit_px,
            attach_algo_cl_ord_id=order.attach_algo_cl_ord_id,
        ),
        order.exp_time,
    )


def _settle(ctx: ExecutionContext, order_id: int, token: UUID, outcome: Outcome) -> str:
    """Store the outcome. What a push or the resolver has found out meanwhile stands."""
    now = ctx.clock.wall_now()
    with outbox.transaction(ctx) as session:
        order = session.get_one(Order, order_id, with_for_update=True)
        if outcome.exchange_id is not None and order.exchange_id is None:
            order.exchange_id = outcome.exchange_id
        order.acked_at, order.last_code, order.last_message = now, outcome.code, outcome.message
        session.flush()
        if order.state == OrderState.SUBMITTING and order.claim_token == token:
            _apply(ctx, session, order, outcome)
        reached("before_commit")
        left = order.state
    reached("after_commit")
    return left


def _apply(ctx: ExecutionContext, session: Session, order: Order, outcome: Outcome) -> None:
    detail = {"code": outcome.code, "message": outcome.message}
    if outcome.kind is OutcomeKind.ACCEPTED:
        transition.move(session, order, OrderState.LIVE, "submit", detail)
    elif outcome.kind is OutcomeKind.REJECTED:
        transition.move(session, order, OrderState.REJECTED, "submit", detail)
        if order.leg == Leg.STOP:
            outbox.post(session, "protect.check", "protect", [])
    else:
        transition.move(session, order, OrderState.UNKNOWN, "submit", detail)
        locked(ctx, session, order)


def locked(ctx: ExecutionContext, session: Session, order: Order) -> None:
    """Lock the instrument of an order whose outcome is not known, and say so."""
    why = f"{order.leg} {order.cl_ord_id}: outcome unknown ({order.last_code or 'no reply'})"
    if locks.lock(session, ctx.account_id, order.inst_id, locks.LockReason.UNKNOWN_ORDER, why):
        notices.alert(session, ctx.account_id, "unknown_order", "WARN", why, inst_id=order.inst_id)
