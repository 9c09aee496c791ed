"""An order row follows what the exchange says of it, never backwards; a stop also where it was moved to.

Under the instrument's lock.
"""

from decimal import Decimal

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from execution import coverage, locks, notices, outbox, transition
from execution.context import ExecutionContext
from execution.identifiers import is_ours
from execution.locks import LockReason
from models import Order, OrderEvent, Position
from trading.orders import AlgoReport, OrderReport, OrderState, may_become
from trading.stop_prices import reduces_risk

logger = structlog.get_logger()

ORDER_STATES = {
    "live": OrderState.LIVE,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "mmp_canceled": OrderState.CANCELED,
}
_DONE = (OrderState.FILLED, OrderState.CANCELED)
ALGO_STATES = {
    "live": OrderState.LIVE,
    "pause": OrderState.LIVE,
    "partially_effective": OrderState.PARTIALLY_FILLED,
    "effective": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "order_failed": OrderState.CANCELED,
    "partially_failed": OrderState.CANCELED,
}


def find_order(session: Session, ctx: ExecutionContext, cl_ord_id: str | None, ord_id: str | None) -> Order | None:
    """Our row, locked, by our id or by the exchange's."""
    named = []
    if cl_ord_id and is_ours(cl_ord_id, ctx.order_prefix):
        named.append(Order.cl_ord_id == cl_ord_id)
    if ord_id:
        named.append((Order.exchange_id == ord_id) & (Order.kind != "algo"))
    if not named:
        return None
    query = select(Order).where(Order.account_id == ctx.account_id, or_(*named)).with_for_update()
    return session.scalars(query.order_by(Order.id)).first()


def follow(ctx: ExecutionContext, session: Session, order: Order, report: OrderReport, source: str) -> None:
    """Bring an order row to what the report says, never backwards."""
    if order.exchange_id is None:
        order.exchange_id = report.ord_id
    if report.acc_fill_sz_contracts >= order.acc_fill_sz_contracts:
        order.acc_fill_sz_contracts = report.acc_fill_sz_contracts
        order.avg_px = report.avg_px or order.avg_px
        order.fee, order.pnl = report.fee, report.pnl
    if order.sz_contracts is None:
        order.sz_contracts = report.sz_contracts
    session.flush()
    new = ORDER_STATES.get(report.state)
    if new is None:
        logger.error("order_state_not_known", cl_ord_id=order.cl_ord_id, state=report.state)
        return
    was = OrderState(order.state)
    if not may_become(was, new):
        return
    if report.attached_fail_codes and was not in _DONE:
        _attached_refused(ctx, session, order, report)
    detail = {
        "state": report.state,
        "filled": str(report.acc_fill_sz_contracts),
        "cancel_source": report.cancel_source,
    }
    values = {}
    if new is OrderState.CANCELED:
        values = {
            "last_code": f"cancelSource {report.cancel_source}",
            "last_message": "canceled by the exchange",
        }
    transition.move(session, order, new, source, detail, **values)
    if was is OrderState.ABSENT:
        message = f"order {order.cl_ord_id} was taken for absent and is {new}"
        notices.alert(session, ctx.account_id, "absent_order_found", "CRITICAL", message, inst_id=order.inst_id)
    if was in (OrderState.UNKNOWN, OrderState.ABSENT):
        lift_unknown(ctx, session, order.inst_id, f"{order.cl_ord_id} found {new}")


def _attached_refused(ctx: ExecutionContext, session: Session, order: Order, report: OrderReport) -> None:
    """The exchange did not bring the stop to life that rode in this entry: protection must not wait for a tick."""
    codes = ", ".join(report.attached_fail_codes)
    message = f"the stop attached to {order.cl_ord_id} was refused: {codes}"
    notices.alert(session, ctx.account_id, "attached_stop_refused", "WARN", message, inst_id=order.inst_id)
    outbox.post(session, "protect.check", "protect", [])


def lift_unknown(ctx: ExecutionContext, session: Session, inst_id: str, evidence: str) -> None:
    """Lift the unknown-order lock when no order of the instrument is unknown any more."""
    left = session.scalar(
        select(Order.id)
        .where(Order.account_id == ctx.account_id, Order.inst_id == inst_id, Order.state == OrderState.UNKNOWN)
        .limit(1)
    )
    if left is None:
        locks.lift(session, ctx.account_id, inst_id, LockReason.UNKNOWN_ORDER, evidence)


def follow_algo(ctx: ExecutionContext, session: Session, order: Order, report: AlgoReport, source: str) -> None:
    order.exchange_id = order.exchange_id or report.algo_id
    session.flush()
    was, new = OrderState(order.state), ALGO_STATES.get(report.state)
    if new is None:
        logger.error("algo_state_not_known", algo_id=report.algo_id, state=report.state)
        return
    if not may_become(was, new):
        return
    detail = {"state": report.state, "actual_side": report.actual_side, "fail_code": report.fail_code}
    transition.move(session, order, new, source, detail, last_code=report.fail_code or order.last_code)
    if was in (OrderState.UNKNOWN, OrderState.ABSENT):
        lift_unknown(ctx, session, order.inst_id, f"{order.cl_ord_id} found {report.state}")


def follow_move(session: Session, order: Order, report: AlgoReport, source: str) -> None:
    """A live stop stands nearer than it was placed: should it be lost, protection places it there again, not where the
    plan had it. Whoever moved it, and however late that is seen. One that stands further away is an old report, or was
    changed by hand for more risk: not followed.
    """
    before, now = order.stop_loss_px, report.stop_loss_px
    if report.state not in coverage.LIVE or before is None or now is None:
        return
    if not reduces_risk(Decimal(1 if order.side == "sell" else -1), before, now):
        return
    order.stop_loss_px = now
    for row in session.scalars(
        select(Position).where(
            Position.account_id == order.account_id, Position.inst_id == order.inst_id, Position.contracts != 0
        )
    ):
        row.moved_stop_px = now
    detail = {"stop_from": str(before), "stop_to": str(now)}
    session.add(
        OrderEvent(order_id=order.id, from_state=order.state, to_state=order.state, source=source, detail=detail)
    )
