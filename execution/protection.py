"""Every position of ours is covered by a live reduce-only stop on the exchange. Runs in the `protect` worker only.

An entry is born with its stop; once its position is seen, one position-level stop and target (`closeFraction=1`) take
over and the attached ones are cancelled, so that adding and reducing need no resizing. The mirror says whether there is
anything to do; before anything is done the exchange is asked. What cannot be covered is closed: what is tried when, and
how often, is `trading.protective`. Positions that are not ours are left alone.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.errors import ReadFailed
from execution import coverage, journal, locks, protective_orders, resting, uncovered
from execution.context import ExecutionContext
from execution.identifiers import is_ours, position_basis
from execution.refreshing import refresh
from execution.submit import submit
from execution.superfluous_stops import cancel_superfluous
from models import AlgoOrder, Order, Position
from trading.orders import OPEN_STATES, Leg, OrderState
from trading.protective import Attempt, Situation, Step, due, next_step

logger = structlog.get_logger()

CLOSES = (Leg.CLOSE, Leg.FLATTEN)


@dataclass
class ProtectionReport:
    """What one check found and did, by instrument; `canceled` are algoIds, `unread` what could not be read."""

    uncovered: list[str] = field(default_factory=list)
    stops_placed: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def not_read(self, failure: ReadFailed) -> None:
        logger.warning("protection_unreadable", reason=str(failure))
        self.unread.append(str(failure))


def check(ctx: ExecutionContext) -> ProtectionReport:
    """See that every position is covered and nothing of ours outlives a position; mend what is not. Safe to repeat.

    A check with something `unread` does not say that the stops are there.
    """
    report = ProtectionReport()
    if not _anything_to_do(ctx):
        return report
    try:
        refresh(ctx)
    except ReadFailed as failure:
        report.not_read(failure)
        report.uncovered = uncovered.mark(ctx)
        return report
    report.uncovered = uncovered.mark(ctx)
    for position_id in _ours_open(ctx):
        try:
            _protect(ctx, position_id, report)
        except ReadFailed as failure:
            report.not_read(failure)
    try:
        cancel_superfluous(ctx, report.canceled)
    except ReadFailed as failure:
        report.not_read(failure)
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
        # A push that tells of its partial fill may be late or lost; its stop is not alive before the last fill.
        if session.scalar(select(Order.id).where(Order.account_id == ctx.account_id, resting.rests()).limit(1)):
            return True
        for inst_id, contracts in needed.items():
            own = [a for a in live if a.inst_id == inst_id and is_ours(a.algo_cl_ord_id, ctx.order_prefix)]
            if len(own) != 1 or not coverage.is_position_level(own[0]):
                return True
            if not coverage.covers(contracts, own, ctx.order_prefix):
                return True
        return any(a.inst_id not in needed and is_ours(a.algo_cl_ord_id, ctx.order_prefix) for a in live)


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
    """Take the next step for one position. Raises ReadFailed."""
    with ctx.sessions() as session:
        row = session.get_one(Position, position_id)
        if uncovered.being_closed(ctx, session, row):
            return
        algos = coverage.stops_of(ctx, session, row.inst_id)
        stops, closes = _orders_of(session, ctx, row, (Leg.STOP,)), _orders_of(session, ctx, row, CLOSES)
    if row.contracts == 0 or any(
        coverage.is_position_level(a) and coverage.closes(row.contracts, a, ctx.order_prefix) for a in algos
    ):
        return
    unsent = next((order for order in closes + stops if order.state == OrderState.INTENDED), None)
    if unsent is not None:
        submit(ctx, unsent.id)  # its sender died, or its message is on its way: the claim decides
        return
    # Without a plan, where the stop stands that covers it.
    stop = row.moved_stop_px or _price((row.plan or {}).get("stop_loss")) or row.stop_px
    target = _price((row.plan or {}).get("take_profit")) or row.target_px
    situation = Situation(
        covered=row.uncovered_since is None,
        overdue=uncovered.overdue(ctx, row),
        stop_known=stop is not None,
        stops=_attempts(stops),
        closes=_attempts(closes),
    )
    now = ctx.clock.wall_now()
    step = next_step(situation, now)
    if step is Step.STOP and stop is not None:
        state = protective_orders.place_stop(ctx, row, stop, target)
        if state in (OrderState.LIVE, OrderState.FILLED):
            report.stops_placed.append(row.inst_id)
        elif state == OrderState.REJECTED and not situation.covered and due(situation.closes, now):
            step = Step.CLOSE
    if step is Step.CLOSE:
        why = "no stop is known for it" if stop is None else "its stop was refused or its outcome is not known"
        if protective_orders.close(ctx, row, why, first=not closes):
            report.closed.append(row.inst_id)


def _orders_of(session: Session, ctx: ExecutionContext, row: Position, legs: tuple[Leg, ...]) -> list[Order]:
    """Intents of these legs for the position now open, and open ones of the instrument, oldest first."""
    if row.opened_market_at is None:
        return []
    query = select(Order).where(Order.account_id == ctx.account_id, Order.inst_id == row.inst_id, Order.leg.in_(legs))
    basis = position_basis(row.inst_id, row.opened_market_at)
    mine = Order.cl_ord_id.startswith(ctx.order_prefix + basis) | (Order.position_opened_at == row.opened_market_at)
    return list(session.scalars(query.where(mine | Order.state.in_(OPEN_STATES)).order_by(Order.id)))


def _attempts(orders: list[Order]) -> tuple[Attempt, ...]:
    return tuple(Attempt(OrderState(order.state), order.created_at, order.resolved_at) for order in orders)


def _price(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
