"""Our books against the exchange: at start, after every private reconnect, each minute. Every difference has a name.

Reads everything first, then brings the mirror to it. A difference is resolved by its rule or ends in an instrument lock
and an alert; locks lift when the next reconciliation no longer finds their reason. Raises ReadFailed, and changes no
verdict, when anything could not be read: a missing report is never "flat". Success sets `bot_state.reconciled_at`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlalchemy import func, select

from execution import (
    bills,
    coverage,
    following,
    journal,
    locks,
    mirror,
    monitor,
    notices,
    outbox,
    refreshing,
    resolver,
    transition,
)
from execution.breaks import LOCKING, Break, ReconcileReport
from execution.context import ExecutionContext
from execution.identifiers import is_ours
from execution.locks import LockReason
from execution.ownership import expected_contracts
from models import AlgoOrder, BotState, Fill, Order, Position
from trading.orders import AlgoReport, BalanceReport, FillReport, OrderReport, OrderState, PositionReport

logger = structlog.get_logger()

WATCHED = (OrderState.LIVE, OrderState.PARTIALLY_FILLED)
OVERLAP = timedelta(minutes=5)  # market time: fills are read again this far back


@dataclass(frozen=True)
class _Seen:
    """Everything read of the exchange, and when the reading of each began (wall)."""

    pending: list[OrderReport]
    algos: list[AlgoReport]
    fills: list[FillReport]
    positions: list[PositionReport]
    balance: BalanceReport
    balance_at: datetime  # market
    positions_as_of: datetime
    algos_as_of: datetime


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
    seen = _read(ctx)
    _orders(ctx, seen, list(open_before), report)
    _fills(ctx, seen, report)
    _algos(ctx, seen, report)
    _positions(ctx, seen, report)
    _coverage(ctx, report)
    report.breaks += [(Break.BALANCE_BREAK, "", what) for what in chain]
    monitor.observe(ctx, seen.balance.equity, seen.balance_at, settled=True)
    _conclude(ctx, report, begun)
    return report


def _read(ctx: ExecutionContext) -> _Seen:
    exchange, now = ctx.exchange, ctx.clock.wall_now
    pending = exchange.orders_pending()
    algos_as_of = now()
    algos = exchange.algos_pending()
    positions_as_of = now()
    positions = exchange.positions()
    # Fills last: whatever made or closed a position read above is among them.
    with ctx.sessions() as session:
        newest = session.scalar(select(func.max(Fill.market_at)).where(Fill.account_id == ctx.account_id))
    fills = exchange.fills(since=newest - OVERLAP if newest is not None else None)
    balance_at = ctx.clock.market_now()  # the report's own time is that of its last change
    balance = exchange.balance()
    return _Seen(pending, algos, fills, positions, balance, balance_at, positions_as_of, algos_as_of)


def _orders(ctx: ExecutionContext, seen: _Seen, open_before: list[Order], report: ReconcileReport) -> None:
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


def _missing(ctx: ExecutionContext, order: Order, seen: _Seen, report: ReconcileReport) -> None:
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


def _fills(ctx: ExecutionContext, seen: _Seen, report: ReconcileReport) -> None:
    report.fills = len(seen.fills)
    with ctx.sessions() as session:
        known = set(
            session.execute(
                select(Fill.inst_id, Fill.trade_id).where(
                    Fill.account_id == ctx.account_id,
                    Fill.trade_id.in_([fill.trade_id for fill in seen.fills]),
                    Fill.bill_id != "",
                )
            ).all()
        )
    for fill in reversed(seen.fills):
        if (fill.inst_id, fill.trade_id) in known:
            continue
        _learn_parent(ctx, fill)
        mirror.ingest_fill(ctx, fill)


def _learn_parent(ctx: ExecutionContext, fill: FillReport) -> None:
    """A fill whose order nobody told us of: ask once, so that the journal knows which stop it came from."""
    with ctx.sessions() as session:
        if following.find_order(session, ctx, fill.cl_ord_id, fill.ord_id) is not None:
            return
        linked = session.scalar(
            select(AlgoOrder.id).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.ord_id == fill.ord_id).limit(1)
        )
    if linked is not None:
        return
    parent = ctx.exchange.order_by_id(fill.inst_id, fill.ord_id)
    if parent is not None:
        if parent.algo_id:
            algo = ctx.exchange.algo_by_id(parent.algo_id)
            if algo is not None:
                mirror.ingest_algo(ctx, algo, source="reconcile")
        mirror.ingest_order(ctx, parent, source="reconcile")


def _algos(ctx: ExecutionContext, seen: _Seen, report: ReconcileReport) -> None:
    report.stops = len(seen.algos)
    for algo in seen.algos:
        mirror.ingest_algo(ctx, algo, source="reconcile")
        if not is_ours(algo.algo_cl_ord_id, ctx.order_prefix):
            report.breaks.append((Break.FOREIGN_ORDER, algo.inst_id, f"algo order {algo.algo_id}"))
    refreshing.look_up_ended(ctx, {algo.algo_id for algo in seen.algos}, seen.algos_as_of)


def _positions(ctx: ExecutionContext, seen: _Seen, report: ReconcileReport) -> None:
    report.positions = len(seen.positions)
    for position in seen.positions:
        mirror.ingest_position(ctx, position, as_of=seen.positions_as_of)
    held = {position.inst_id: position.contracts for position in seen.positions}
    with ctx.sessions() as session:
        mirrored = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        trades = {row.inst_id: journal.open_trade(session, ctx.account_id, row.inst_id) for row in mirrored}
    for row in mirrored:
        trade = trades[row.inst_id]
        expected = journal.signed(trade) if trade is not None else Decimal(0)
        if row.inst_id not in held:
            # The list was read and does not show it. Ours is flat when its closing fills are in the books.
            if expected == 0:
                mirror.ingest_flat(ctx, row.inst_id, row.updated_market_at, as_of=seen.positions_as_of)
            else:
                _size_break(ctx, row.inst_id, report)
        elif row.contracts != expected:
            _size_break(ctx, row.inst_id, report)


def _size_break(ctx: ExecutionContext, inst_id: str, report: ReconcileReport) -> None:
    """Look again, alone and fresh, before calling it a break: a fill may have fallen between two reads."""
    for fill in reversed(ctx.exchange.fills(inst_id, since=_day_ago(ctx))):
        mirror.ingest_fill(ctx, fill)
    as_of = ctx.clock.wall_now()
    positions = ctx.exchange.positions(inst_id)
    for position in positions:
        mirror.ingest_position(ctx, position, as_of=as_of)
    held = sum((position.contracts for position in positions), Decimal(0))
    for fill in reversed(ctx.exchange.fills(inst_id, since=_day_ago(ctx))):
        mirror.ingest_fill(ctx, fill)
    expected = expected_contracts(ctx, inst_id)
    if held == expected:
        return
    if expected == 0:
        with ctx.sessions() as session:
            on_its_way = session.scalar(
                select(Order.id).where(
                    Order.account_id == ctx.account_id,
                    Order.inst_id == inst_id,
                    Order.state.in_((OrderState.SUBMITTING, OrderState.UNKNOWN)),
                ).limit(1)
            )  # fmt: skip
        if on_its_way is None:
            report.breaks.append((Break.FOREIGN_POSITION, inst_id, f"{held} contracts, none of them ours"))
        return
    report.breaks.append((Break.SIZE_BREAK, inst_id, f"{held} contracts, our fills make {expected}"))


def _day_ago(ctx: ExecutionContext) -> datetime:
    return ctx.clock.market_now() - timedelta(days=1)


def _coverage(ctx: ExecutionContext, report: ReconcileReport) -> None:
    """Uncovered positions and orphan stops: named here, mended by protection, which is asked to look."""
    foreign = set(report.named(Break.FOREIGN_POSITION))
    if _uncovered(ctx):
        # A position opened between the two lists was read without the stop it was born with: look once more.
        for live_now in ctx.exchange.algos_pending():
            mirror.ingest_algo(ctx, live_now, source="reconcile")
    with outbox.transaction(ctx) as session:
        rows = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        held = {row.inst_id for row in rows}
        for row in rows:
            algos = coverage.stops_of(ctx, session, row.inst_id)
            if row.inst_id not in foreign and not coverage.covers(row.contracts, algos, ctx.order_prefix):
                report.breaks.append((Break.MISSING_STOP, row.inst_id, f"{row.contracts} contracts uncovered"))
        live = session.scalars(
            select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.state.in_(coverage.LIVE))
        ).all()
        for algo in live:
            if algo.inst_id not in held and is_ours(algo.algo_cl_ord_id, ctx.order_prefix):
                report.breaks.append((Break.ORPHAN_STOP, algo.inst_id, f"stop {algo.algo_id}"))
        if report.named(Break.MISSING_STOP) or report.named(Break.ORPHAN_STOP):
            outbox.post(session, "protect.check", "protect", [])


def _uncovered(ctx: ExecutionContext) -> bool:
    with ctx.sessions() as session:
        rows = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        return any(
            not coverage.covers(row.contracts, coverage.stops_of(ctx, session, row.inst_id), ctx.order_prefix)
            for row in rows
        )


def _conclude(ctx: ExecutionContext, report: ReconcileReport, begun: datetime) -> None:
    """Lock what has a break, lift the locks whose break is over, note the success."""
    with outbox.transaction(ctx) as session:
        for name, inst_id, what in report.breaks:
            logger.warning("reconcile_break", name=name.value, inst_id=inst_id, what=what)
            reason = LOCKING.get(name)
            if reason is None:
                if name is Break.BALANCE_BREAK:
                    notices.alert(session, ctx.account_id, name.value, "WARN", what)
                continue
            if locks.lock(session, ctx.account_id, inst_id, reason, what):
                notices.alert(session, ctx.account_id, name.value, "WARN", what, inst_id=inst_id)
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
