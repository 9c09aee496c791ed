"""The truth about orders whose outcome is not known. Only evidence ends `unknown`.

Found (by our id, among the resting, the finished, or by a fill): adopted as the exchange has it. Absent: the exchange's
own clock is past the last moment at which the request could take effect, and a grace; then three spaced looks missed it
everywhere while the position stayed what our books say. That moment is `expTime`. Stops and closes carry none: for them
it is the first look after their call was over, because its process said so or is gone; while that is not known (a
process may stand still between its claim and its call), it is the end of their signature's time: it is made with the
claim. A read that fails proves nothing. An absent whole-position close is tried again, as a new intent, while its
position is there; a stop by protection.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from exchange.transport import SIGNED_FOR
from execution import bound, claimant, following, intents, mirror, notices, outbox, transition
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent
from execution.ownership import expected_contracts
from execution.submit import locked
from models import Order, Position
from trading.orders import OPEN_STATES, AlgoReport, Leg, OrderReport, OrderState, PositionReport

logger = structlog.get_logger()

MISSES = 3
LOOK_EVERY_S = 0.5
STORED_WITHIN = timedelta(seconds=0.5)  # how long a living worker needs to store what its call came to
LOOK_AFTER = timedelta(seconds=1)  # a call still under way by then is late, or nobody waits for its reply any more


def resolve_unknown(ctx: ExecutionContext) -> dict[str, str]:
    """Look once for every order whose outcome is not known; returns clOrdId → what is known now. Safe to repeat."""
    _adopt_submitting(ctx)
    _give_up_on_submitting(ctx)
    with ctx.sessions() as session:
        orders = session.scalars(
            select(Order)
            .where(Order.account_id == ctx.account_id, Order.state == OrderState.UNKNOWN)
            .order_by(Order.id)
        ).all()
    known = {}
    for order in orders:
        try:
            known[order.cl_ord_id] = _resolve(ctx, order)
        except ReadFailed as failure:
            logger.warning("resolver_read_failed", cl_ord_id=order.cl_ord_id, reason=str(failure))
            known[order.cl_ord_id] = "unreadable"
    return known


def resolve_for(ctx: ExecutionContext, seconds: float) -> None:
    """Look, and go on looking for so long while an outcome is not known."""
    until = monotonic() + seconds
    resolve_unknown(ctx)
    while monotonic() < until and _unsettled(ctx):
        sleep(LOOK_EVERY_S)
        resolve_unknown(ctx)


def _unsettled(ctx: ExecutionContext) -> bool:
    states = (OrderState.SUBMITTING, OrderState.UNKNOWN)
    query = select(Order.id).where(Order.account_id == ctx.account_id, Order.state.in_(states)).limit(1)
    with ctx.sessions() as session:
        return session.scalar(query) is not None


def _adopt_submitting(ctx: ExecutionContext) -> None:
    """What the exchange shows is accepted, whether or not the reply is still awaited; what it does not show may yet be.

    So the order of a worker that died after its call is known at once, not when the call's time is up.
    """
    with ctx.sessions() as session:
        late = session.scalars(
            select(Order).where(
                Order.account_id == ctx.account_id,
                Order.state == OrderState.SUBMITTING,
                Order.submitted_at < ctx.clock.wall_now() - LOOK_AFTER,
            )
        ).all()
    for order in late:
        try:
            adopt(ctx, order)
        except ReadFailed as failure:
            logger.warning("resolver_read_failed", cl_ord_id=order.cl_ord_id, reason=str(failure))


def _give_up_on_submitting(ctx: ExecutionContext) -> None:
    """A worker that died in mid-call leaves `submitting` behind: nobody knows its outcome, and nobody sends it.

    At once where it is known to be gone; elsewhere once its call must have ended.
    """
    ended = ctx.clock.wall_now() - timedelta(seconds=ctx.settings.http_timeout_s) - STORED_WITHIN
    with outbox.transaction(ctx) as session:
        left = session.scalars(
            select(Order)
            .where(Order.account_id == ctx.account_id, Order.state == OrderState.SUBMITTING)
            .with_for_update(skip_locked=True)
        ).all()
        for order in left:
            assert order.submitted_at is not None, "claimed"
            if order.submitted_at >= ended and not claimant.is_gone(order.claimed_by):
                continue
            if transition.move(session, order, OrderState.UNKNOWN, "resolver", {"reason": "no outcome was recorded"}):
                locked(ctx, session, order)


def look_up(ctx: ExecutionContext, order: Order) -> str | None:
    """What the exchange shows of an order: its state; None when it shows none. Raises ReadFailed."""
    found = _find_algo(ctx, order) if order.kind == "algo" else _find(ctx, order)
    return None if found is None else found.state


def adopt(ctx: ExecutionContext, order: Order) -> bool:
    """Bring the order to what the exchange shows, if it shows it. Raises ReadFailed."""
    if order.kind == "algo":
        algo = _find_algo(ctx, order)
        if algo is not None:
            mirror.ingest_algo(ctx, algo, source="resolver")
        return algo is not None
    report = _find(ctx, order)
    if report is not None:
        mirror.ingest_order(ctx, report, source="resolver")
    return report is not None


def time_is_up(ctx: ExecutionContext, order: Order) -> tuple[Order, bool]:
    """Whether the request can no longer take effect, by the exchange's clock; and the order with its first look noted.

    Asked before the looks: what they miss was missing then. Raises ReadFailed.
    """
    call_is_over = order.acked_at is not None or claimant.is_gone(order.claimed_by)
    at = ctx.exchange.server_time()  # after that was found out
    if order.looked_from is None and call_is_over:
        order = _look_from(ctx, order, at)
    return order, at > _last_moment(order) + timedelta(seconds=ctx.settings.unknown_grace_s)


def _resolve(ctx: ExecutionContext, order: Order) -> str:
    order, up = time_is_up(ctx, order)
    if adopt(ctx, order):
        return "found"
    if not up:
        return "too_early"
    held = _held(ctx.exchange.positions(order.inst_id), order.inst_id)
    expected = expected_contracts(ctx, order.inst_id)
    if held != expected:
        logger.warning("resolver_position_differs", cl_ord_id=order.cl_ord_id, held=str(held), expected=str(expected))
        return "position_differs"
    return _miss(ctx, order.id)


def _look_from(ctx: ExecutionContext, order: Order, at: datetime) -> Order:
    """Remember the exchange's clock of the first look after the call: its request was written before."""
    with ctx.sessions.begin() as session:
        row = session.get_one(Order, order.id, with_for_update=True)
        row.looked_from = row.looked_from or at
    return row


def _find_algo(ctx: ExecutionContext, order: Order) -> AlgoReport | None:
    """By our id; else among the live; else among the ended."""
    algo = ctx.exchange.algo(order.cl_ord_id)
    if algo is not None:
        return algo
    listed = [a for a in ctx.exchange.algos_pending() if a.algo_cl_ord_id == order.cl_ord_id]
    listed = listed or [
        a
        for a in ctx.exchange.algo_history(order.inst_id, since=order.position_opened_at)
        if a.algo_cl_ord_id == order.cl_ord_id
    ]
    return listed[0] if listed else None


def _find(ctx: ExecutionContext, order: Order) -> OrderReport | None:
    """By our id; else among the resting; else among the finished; else by a fill."""
    exchange, cl_ord_id = ctx.exchange, order.cl_ord_id
    report = exchange.order(order.inst_id, cl_ord_id)
    if report is not None:
        return report
    listed = [r for r in exchange.orders_pending() if r.cl_ord_id == cl_ord_id]
    listed = listed or [r for r in exchange.orders_history(order.inst_id) if r.cl_ord_id == cl_ord_id]
    if listed:
        return listed[0]
    fill = next((f for f in exchange.fills(order.inst_id) if f.cl_ord_id == cl_ord_id), None)
    return exchange.order_by_id(order.inst_id, fill.ord_id) if fill is not None else None


def _last_moment(order: Order) -> datetime:
    """Until when the request can take effect, by the exchange's clock."""
    if order.kind == "order" and order.exp_time is not None:
        return order.exp_time
    assert order.submitted_at is not None, "claimed"
    return order.looked_from or order.submitted_at + SIGNED_FOR


def _held(positions: list[PositionReport], inst_id: str) -> Decimal:
    return sum((p.contracts for p in positions if p.inst_id == inst_id), Decimal(0))


def _miss(ctx: ExecutionContext, order_id: int) -> str:
    """Count one more proof of absence, and act on the third."""
    now = ctx.clock.wall_now()
    with outbox.transaction(ctx) as session:
        order = session.get_one(Order, order_id, with_for_update=True)
        if order.state != OrderState.UNKNOWN:
            return order.state
        spacing = timedelta(seconds=ctx.settings.unknown_grace_s / 2)
        if order.last_miss_at is not None and now - order.last_miss_at < spacing:
            return "waiting"
        order.misses, order.last_miss_at = order.misses + 1, now
        session.flush()
        if order.misses < MISSES:
            return f"missed_{order.misses}"
        transition.move(session, order, OrderState.ABSENT, "resolver", {"misses": order.misses})
        following.lift_unknown(ctx, session, order.inst_id, f"{order.cl_ord_id} proved absent")
        notices.alert(
            session, ctx.account_id, "order_absent", "INFO",
            f"{order.leg} {order.cl_ord_id} never reached the exchange", inst_id=order.inst_id,
        )  # fmt: skip
        if order.kind == "close_position":
            _close_again(ctx, session, order)
        elif order.leg == Leg.STOP:
            outbox.post(session, "protect.check", "protect", [])
    return OrderState.ABSENT.value


def _close_again(ctx: ExecutionContext, session: Session, order: Order) -> None:
    """A new intent for the position this one was for, unless it is gone or already being closed."""
    position = session.scalars(
        select(Position).where(
            Position.account_id == ctx.account_id, Position.inst_id == order.inst_id, Position.contracts != 0
        )
    ).first()
    if position is None or position.opened_market_at is None or bound.gone(session, order) is not None:
        return
    closing = session.scalar(
        select(Order.id).where(
            Order.account_id == ctx.account_id,
            Order.inst_id == order.inst_id,
            Order.kind == "close_position",
            Order.state.in_(OPEN_STATES),
        ).limit(1)
    )  # fmt: skip
    if closing is not None:
        return
    try:
        intents.record_whole_close(
            ctx, session, order.inst_id, position.contracts, position.opened_market_at, Leg(order.leg),
            f"again, {order.cl_ord_id} never arrived: {order.reason}", "resolver",
        )  # fmt: skip
    except DuplicateIntent as duplicate:
        logger.warning("close_intent_exists", reason=str(duplicate))
