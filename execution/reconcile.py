"""Our books against the exchange: at start, after every private reconnect, each minute. Every difference has a name.

Reads everything first, then brings the mirror to it. A difference is resolved by its rule (`breaks_of_…`) or ends in an
instrument lock and an alert; locks lift when the next reconciliation no longer finds their reason. Raises ReadFailed,
and changes no verdict, when anything could not be read: a missing report is never "flat". Success sets
`bot_state.reconciled_at`.
"""

from datetime import datetime

import structlog
from sqlalchemy import select

from execution import bills, break_log, locks, monitor, notices, outbox, resolver
from execution.breaks import LOCKING, TOLD, ReconcileReport
from execution.breaks_of_money import compare_money
from execution.breaks_of_orders import WATCHED, compare_orders
from execution.breaks_of_positions import bring_in_fills, compare_positions
from execution.breaks_of_stops import compare_coverage, compare_stops
from execution.context import ExecutionContext
from execution.locks import LockReason
from execution.sight import read_account
from models import BotState, Order

logger = structlog.get_logger()


def reconcile(ctx: ExecutionContext, reason: str) -> ReconcileReport:
    """Compare and mend. Raises ReadFailed. Safe to repeat and to run beside pushes."""
    report = ReconcileReport(reason)
    begun = ctx.clock.wall_now()
    resolver.resolve_unknown(ctx)
    with ctx.sessions() as session:
        open_before = session.scalars(
            select(Order).where(Order.account_id == ctx.account_id, Order.state.in_(WATCHED), Order.kind != "algo")
        ).all()
    chain = bills.ingest_bills(ctx)
    seen = read_account(ctx)
    compare_orders(ctx, seen, list(open_before), report)
    bring_in_fills(ctx, seen, report)
    compare_stops(ctx, seen, report)
    compare_positions(ctx, seen, report)
    compare_coverage(ctx, report)
    compare_money(ctx, chain, report)
    monitor.observe(ctx, seen.balance.equity, seen.balance_at, settled=True)
    _conclude(ctx, report, begun)
    return report


def _conclude(ctx: ExecutionContext, report: ReconcileReport, begun: datetime) -> None:
    """Lock what has a break, lift the locks whose break is over, note the success."""
    with outbox.transaction(ctx) as session:
        for name, inst_id, what in report.breaks:
            logger.warning("reconcile_break", name=name.value, inst_id=inst_id, what=what)
            reason = LOCKING.get(name)
            if reason is not None and locks.lock(session, ctx.account_id, inst_id, reason, what):
                notices.alert(session, ctx.account_id, name.value, "WARN", what, inst_id=inst_id)
        findings = [break_log.Finding(name.value, inst_id, what) for name, inst_id, what in report.breaks]
        for row in break_log.note(session, ctx.account_id, "reconcile", findings, ctx.clock.wall_now()):
            if row.name in TOLD:
                notices.alert(session, ctx.account_id, row.name, "WARN", row.detail, inst_id=row.inst_id or None)
        broken = {(LOCKING.get(name), inst_id) for name, inst_id, _ in report.breaks}
        for lock in locks.open_locks(session, ctx.account_id):
            owned = lock.reason in LOCKING.values()
            if owned and (LockReason(lock.reason), lock.inst_id) not in broken:
                locks.lift(
                    session, ctx.account_id, lock.inst_id, LockReason(lock.reason), f"reconcile ({report.reason})"
                )
        state = session.get_one(BotState, ctx.account_id, with_for_update=True)
        # One that began before the latest connect has not seen what was missed until then.
        if state.unsettled_at is None or state.unsettled_at <= begun:
            state.reconciled_at = ctx.clock.wall_now()
    logger.info(
        "reconciled", reason=report.reason, orders=report.orders, fills=report.fills, positions=report.positions,
        stops=report.stops, breaks=[f"{name} {inst_id}".strip() for name, inst_id, _ in report.breaks],
    )  # fmt: skip
