"""Missing, orphan and foreign orders: what our books hold open against what the exchange lists.

Missing: accepted once, and the exchange has forgotten it; judged by fills and position, after a grace. Orphan (our
prefix, not in our books) and foreign: locked and told, never touched but by `flatten`.
"""

from datetime import timedelta

from execution import following, mirror, outbox, transition
from execution.breaks import Break, ReconcileReport
from execution.context import ExecutionContext
from execution.identifiers import is_ours
from execution.ownership import expected_contracts
from execution.sight import Sight
from models import Order
from trading.orders import OrderState

WATCHED = (OrderState.LIVE, OrderState.PARTIALLY_FILLED)


def compare_orders(ctx: ExecutionContext, seen: Sight, open_before: list[Order], report: ReconcileReport) -> None:
    report.orders = len(seen.pending)
    for pending in seen.pending:
        with ctx.sessions() as session:
            ours = following.find_order(session, ctx, pending.cl_ord_id, pending.ord_id)
        mirror.ingest_order(ctx, pending, source="reconcile")
        if ours is None and not pending.algo_id:
            name = Break.ORPHAN_ORDER if is_ours(pending.cl_ord_id, ctx.order_prefix) else Break.FOREIGN_ORDER
            report.breaks.append((name, pending.inst_id, f"order {pending.ord_id} {pending.cl_ord_id}"))
    listed = {pending.cl_ord_id for pending in seen.pending}
    for order in open_before:
        if order.cl_ord_id in listed:
            continue
        found = ctx.exchange.order(order.inst_id, order.cl_ord_id)
        if found is None and order.exchange_id:
            found = ctx.exchange.order_by_id(order.inst_id, order.exchange_id)
        if found is not None:
            mirror.ingest_order(ctx, found, source="reconcile")
            continue
        _missing(ctx, order, seen, report)


def _missing(ctx: ExecutionContext, order: Order, seen: Sight, report: ReconcileReport) -> None:
    """Accepted once, and the exchange has forgotten it: OKX does that to cancelled orders that never filled."""
    what = f"{order.leg} {order.cl_ord_id} is not known to the exchange"
    report.breaks.append((Break.MISSING_ORDER, order.inst_id, what))
    with_fill = any(fill.cl_ord_id == order.cl_ord_id for fill in seen.fills)
    if with_fill or order.acc_fill_sz_contracts > 0:
        return
    grace = timedelta(seconds=ctx.settings.order_exp_s + ctx.settings.unknown_grace_s)
    if order.submitted_at is None or ctx.clock.wall_now() - order.submitted_at < grace:
        return
    whole = order.kind == "close_position"
    gone = expected_contracts(ctx, order.inst_id) == 0
    with outbox.transaction(ctx) as session:
        row = session.get_one(Order, order.id, with_for_update=True)
        if row.state not in WATCHED:
            return
        # A whole-position close is judged by the position it left.
        to = OrderState.FILLED if whole and gone else OrderState.CANCELED
        transition.move(session, row, to, "reconcile", {"reason": "not known to the exchange"},
                        last_message="not known to the exchange")  # fmt: skip
