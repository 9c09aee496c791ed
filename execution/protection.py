"""Every position of ours is covered by a live reduce-only stop on the exchange. Runs in the `protect` worker only.

An entry is born with its stop; once its position is seen, one position-level stop and target (`closeFraction=1`) take
over and the attached ones are cancelled, so that adding and reducing need no resizing. The mirror says whether there is
anything to do; before anything is done the exchange is asked. What cannot be covered is closed. Seconds without cover
are wall time, and recorded. Positions that are not ours are left alone.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import coverage, intents, journal, locks, monitor, notices, outbox
from execution.context import ExecutionContext
from execution.errors import DuplicateIntent
from execution.identifiers import is_ours, position_basis
from execution.refreshing import refresh
from execution.submit import submit
from execution.superfluous_stops import cancel_superfluous
from models import AlgoOrder, Order, Position
from trading.orders import OPEN_STATES, Leg, OrderState

logger = structlog.get_logger()

REFUSED_RETRY = timedelta(seconds=10)  # a refused stop is asked for again while the attached one still covers


@dataclass
class ProtectionReport:
    """What one check found and did."""

    uncovered: list[str]
    stops_placed: list[str]
    closed: list[str]
    canceled: list[str]


def check(ctx: ExecutionContext) -> ProtectionReport:
    """See that every position is covered and nothing of ours outlives a position; mend what is not. Safe to repeat."""
    report = ProtectionReport([], [], [], [])
    if not _anything_to_do(ctx):
        return report
    try:
        refresh(ctx)
    except ReadFailed as failure:
        logger.warning("protection_unreadable", reason=str(failure))
        _mark_uncovered(ctx, report)
        return report
    _mark_uncovered(ctx, report)
    for position_id in _ours_open(ctx):
        _protect(ctx, position_id, report)
    report.canceled = cancel_superfluous(ctx)
    return report


def _anything_to_do(ctx: ExecutionContext) -> bool:
    """By the mirror: a position without its position-level stop, or more live stops than positions need."""
    with ctx.sessions() as session:
        positions = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        needed = {row.inst_id: row.contracts for row in positions}
        live = session.scalars(
            select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.state.in_(coverage.LIVE))
        ).all()
        if any(row.uncovered_since is not None for row in positions):
            return True
        for inst_id, contracts in needed.items():
            own = [a for a in live if a.inst_id == inst_id and is_ours(a.algo_cl_ord_id, ctx.order_prefix)]
            if len(own) != 1 or not coverage.is_position_level(own[0]):
                return True
            if not coverage.covers(contracts, own, ctx.order_prefix):
                return True
        return any(a.inst_id not in needed and is_ours(a.algo_cl_ord_id, ctx.order_prefix) for a in live)


def _mark_uncovered(ctx: ExecutionContext, report: ProtectionReport) -> None:
    """Start or stop the count of naked seconds of every position, from what the mirror holds."""
    now = ctx.clock.wall_now()
    with outbox.transaction(ctx) as session:
        for row in session.scalars(
            select(Position)
            .where(Position.account_id == ctx.account_id, Position.contracts != 0)
            .order_by(Position.id)
            .with_for_update()
        ):
            algos = coverage.stops_of(ctx, session, row.inst_id)
            covered = coverage.covers(row.contracts, algos, ctx.order_prefix)
            if not covered:
                report.uncovered.append(row.inst_id)
                if row.uncovered_since is None:
                    row.uncovered_since = now
                    logger.warning("position_uncovered", inst_id=row.inst_id, contracts=str(row.contracts))
                elif _overdue(ctx, row):
                    _alarm(ctx, session, row)
            elif row.uncovered_since is not None:
                monitor.add_naked_time(ctx, session, row, now)
                locks.lift(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, "a live stop covers it")
            coverage.refresh_levels(ctx, session, row)


def _alarm(ctx: ExecutionContext, session: Session, row: Position) -> None:
    """Uncovered for longer than the grace, whatever was tried: once a person must know."""
    what = f"{row.contracts} {row.inst_id} without a stop since {row.uncovered_since:%H:%M:%S}"
    if locks.lock(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, what):
        notices.alert(session, ctx.account_id, "position_uncovered", "CRITICAL", what, inst_id=row.inst_id)


def _ours_open(ctx: ExecutionContext) -> list[int]:
    """Open positions that are ours: not locked as foreign, and ours by trade, plan or an entry on its way."""
    with ctx.sessions() as session:
        rows = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        ours = []
        for row in rows:
            reasons = {lock.reason for lock in locks.open_locks(session, ctx.account_id, row.inst_id)}
            if locks.LockReason.FOREIGN_POSITION in reasons:
                continue
            if row.plan is not None or journal.open_trade(session, ctx.account_id, row.inst_id) is not None:
                ours.append(row.id)
    return ours


def _protect(ctx: ExecutionContext, position_id: int, report: ProtectionReport) -> None:
    """Place the position-level stop if there is none; close what cannot be covered."""
    with ctx.sessions() as session:
        row = session.get_one(Position, position_id)
        algos = coverage.stops_of(ctx, session, row.inst_id)
        stops = _orders_of(session, ctx, row, Leg.STOP)
        closes = _orders_of(session, ctx, row, Leg.CLOSE) + _orders_of(session, ctx, row, Leg.FLATTEN)
    has_level = any(
        coverage.is_position_level(a) and coverage.closes(row.contracts, a, ctx.order_prefix) for a in algos
    )
    if has_level or row.contracts == 0:
        return
    covered = row.uncovered_since is None
    if any(order.state in OPEN_STATES for order in closes) and not _overdue(ctx, row):
        return  # it is being closed
    in_flight = [order for order in stops if order.state in OPEN_STATES]
    if in_flight and not (_overdue(ctx, row) and not covered):
        return  # one is on its way, or its outcome is being looked for while the attached stop still covers
    stop = _price((row.plan or {}).get("stop_loss"))
    refused = bool(stops) and stops[-1].state == OrderState.REJECTED
    again = stop is not None and refused and _refused_long_ago(ctx, stops[-1])
    if covered and (stop is None or refused) and not again:
        return  # the attached stop keeps covering it
    if stop is None or (refused and not covered):
        if stop is None and not _overdue(ctx, row):
            return  # its plan may still arrive
        _close(ctx, row, "its stop was refused" if refused else "no stop is known for it", report)
        return
    _place_stop(ctx, row, stop, _price((row.plan or {}).get("take_profit")), report)


def _orders_of(session: Session, ctx: ExecutionContext, row: Position, leg: Leg) -> list[Order]:
    """Intents of one leg for the position now open, oldest first."""
    if row.opened_market_at is None:
        return []
    query = select(Order).where(Order.account_id == ctx.account_id, Order.inst_id == row.inst_id, Order.leg == leg)
    basis = position_basis(row.inst_id, row.opened_market_at)
    mine = Order.cl_ord_id.startswith(ctx.order_prefix + basis)
    recent = Order.state.in_(OPEN_STATES)
    return list(session.scalars(query.where(mine | recent).order_by(Order.id)))


def _place_stop(
    ctx: ExecutionContext, row: Position, stop: Decimal, target: Decimal | None, report: ProtectionReport
) -> None:
    assert row.opened_market_at is not None
    instrument = ctx.instrument(row.inst_id)
    try:
        with outbox.transaction(ctx) as session:
            order = intents.record_stop(
                ctx, session, row.inst_id, row.contracts, row.opened_market_at, instrument.round_price(stop),
                instrument.round_price(target) if target is not None else None, "position-level stop",
                announce=False,
            )  # fmt: skip
    except DuplicateIntent as duplicate:
        logger.warning("stop_intent_exists", reason=str(duplicate))
        return
    state = submit(ctx, order.id)
    logger.info("stop_placed", inst_id=row.inst_id, state=state, stop=str(stop), target=str(target))
    if state in (OrderState.LIVE, OrderState.FILLED):
        report.stops_placed.append(row.inst_id)
        return
    if state == OrderState.REJECTED:
        with ctx.sessions() as session:
            uncovered = session.get_one(Position, row.id).stop_px is None
        if uncovered:
            _close(ctx, row, "its stop was refused", report)


def _close(ctx: ExecutionContext, row: Position, why: str, report: ProtectionReport) -> None:
    assert row.opened_market_at is not None
    with outbox.transaction(ctx) as session:
        order = intents.record_whole_close(
            ctx, session, row.inst_id, row.contracts, row.opened_market_at, Leg.CLOSE,
            f"protection: the position is uncovered and {why}", "protection", announce=False,
        )  # fmt: skip
        message = f"closing {row.contracts} {row.inst_id}: uncovered, and {why}"
        notices.alert(session, ctx.account_id, "protective_close", "CRITICAL", message, inst_id=row.inst_id)
        locks.lock(session, ctx.account_id, row.inst_id, locks.LockReason.MISSING_STOP, message)
    submit(ctx, order.id)
    report.closed.append(row.inst_id)


def _refused_long_ago(ctx: ExecutionContext, order: Order) -> bool:
    return order.resolved_at is not None and ctx.clock.wall_now() - order.resolved_at > REFUSED_RETRY


def _overdue(ctx: ExecutionContext, row: Position) -> bool:
    if row.uncovered_since is None:
        return False
    return ctx.clock.wall_now() - row.uncovered_since > timedelta(seconds=ctx.settings.naked_grace_s)


def _price(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
