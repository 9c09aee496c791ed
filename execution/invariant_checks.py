"""I1 to I7: orders, positions and stops. Questions to our books, answered by findings; none asks the exchange itself.

Sizes in contracts, ages in wall seconds.
"""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from exchange.outcomes import DUPLICATE_ID
from execution import coverage, journal, locks
from execution.bound import closing_side
from execution.break_log import Finding
from execution.context import ExecutionContext
from execution.identifiers import is_attached, is_ours
from execution.invariant_rules import Invariant as _I
from execution.locks import LockReason
from models import AlgoOrder, BotState, Fill, Order, OrderEvent, Position, Trade
from trading.orders import ENTRY_LEGS, OPEN_STATES, OrderState

UNKNOWN_FOR = timedelta(minutes=2)
RECENT = timedelta(days=1)


def one_order_per_intent(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I1: one clOrdId, one ordId; by what fills, stops and refused doubles of the last day say."""
    since = ctx.clock.wall_now() - RECENT
    fills = session.execute(
        select(Fill.cl_ord_id, func.min(Fill.inst_id), func.count(Fill.ord_id.distinct()))
        .where(Fill.account_id == ctx.account_id, Fill.seen_at > since)
        .where(Fill.cl_ord_id.startswith(ctx.order_prefix))
        .group_by(Fill.cl_ord_id)
        .having(func.count(Fill.ord_id.distinct()) > 1)
    ).all()
    stops = session.execute(
        select(AlgoOrder.algo_cl_ord_id, func.min(AlgoOrder.inst_id), func.count())
        .where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.seen_at > since)
        .where(AlgoOrder.algo_cl_ord_id.startswith(ctx.order_prefix))
        .group_by(AlgoOrder.algo_cl_ord_id)
        .having(func.count() > 1)
    ).all()
    doubled = session.execute(
        select(Order.cl_ord_id, Order.inst_id).where(
            Order.account_id == ctx.account_id,
            Order.created_at > since,
            # The answer is an event of the order, unless a push had settled its state before it came.
            Order.last_code.in_(DUPLICATE_ID)
            | exists().where(OrderEvent.order_id == Order.id, OrderEvent.detail["code"].astext.in_(DUPLICATE_ID)),
        )
    ).all()
    became = [Finding(_I.ONE_ORDER_PER_INTENT, inst, f"{name} became {n} orders") for name, inst, n in [*fills, *stops]]
    return became + [
        Finding(_I.ONE_ORDER_PER_INTENT, inst, f"{name} was sent twice; the exchange refused the second")
        for name, inst in doubled
    ]


def one_open_entry(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I2, which a unique index holds as well."""
    rows = session.execute(
        select(Order.inst_id, func.count())
        .where(Order.account_id == ctx.account_id, Order.leg.in_(ENTRY_LEGS), Order.state.in_(OPEN_STATES))
        .group_by(Order.inst_id)
        .having(func.count() > 1)
    ).all()
    return [Finding(_I.ONE_OPEN_ENTRY, inst_id, f"{count} open entries") for inst_id, count in rows]


def outcome_known_in_time(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I3: an order unknown although reconciliation succeeded two minutes after it was sent."""
    reconciled = session.get_one(BotState, ctx.account_id).reconciled_at
    if reconciled is None:
        return []
    rows = session.scalars(
        select(Order).where(
            Order.account_id == ctx.account_id,
            Order.state.in_((OrderState.SUBMITTING, OrderState.UNKNOWN)),
            Order.submitted_at < reconciled - UNKNOWN_FOR,
        )
    )
    return [
        Finding(_I.OUTCOME_KNOWN_IN_TIME, r.inst_id, f"{r.cl_ord_id} since {r.submitted_at:%H:%M:%S}") for r in rows
    ]


def position_equals_fills(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I4: mirror against trade; a difference with a lock of its own is known."""
    found, held = [], set()
    for row in _positions(ctx, session):
        held.add(row.inst_id)
        trade = journal.open_trade(session, ctx.account_id, row.inst_id)
        made = journal.signed(trade) if trade is not None else Decimal(0)
        known = _reasons(ctx, session, row.inst_id) & {LockReason.SIZE_BREAK, LockReason.FOREIGN_POSITION}
        if row.contracts != made and not known:
            found.append(Finding(_I.POSITION_EQUALS_FILLS, row.inst_id, f"{row.contracts} held, fills make {made}"))
    open_trades = select(Trade).where(Trade.account_id == ctx.account_id, Trade.closed_market_at.is_(None))
    for trade in session.scalars(open_trades):
        if trade.inst_id not in held and LockReason.SIZE_BREAK not in _reasons(ctx, session, trade.inst_id):
            made = journal.signed(trade)
            found.append(Finding(_I.POSITION_EQUALS_FILLS, trade.inst_id, f"nothing held, fills make {made}"))
    return found


def position_covered(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I5: uncovered for longer than NAKED_GRACE_S; the rule's own grace is for mending it."""
    limit = timedelta(seconds=ctx.settings.naked_grace_s)
    now = ctx.clock.wall_now()
    return [
        Finding(_I.POSITION_COVERED, row.inst_id, f"{row.contracts} uncovered since {row.uncovered_since:%H:%M:%S}")
        for row in _positions(ctx, session)
        if row.uncovered_since is not None
        and now - row.uncovered_since > limit
        and not coverage.covers(row.contracts, coverage.stops_of(ctx, session, row.inst_id), ctx.order_prefix)
        and LockReason.FOREIGN_POSITION not in _reasons(ctx, session, row.inst_id)
    ]


def stop_has_position(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I6: no stop of ours could open a position."""
    held = {row.inst_id: row.contracts for row in _positions(ctx, session)}
    found = []
    for algo in _live_algos(ctx, session):
        if not is_ours(algo.algo_cl_ord_id, ctx.order_prefix):
            continue
        contracts = held.get(algo.inst_id)
        if contracts is None or algo.side != closing_side(contracts):
            found.append(Finding(_I.STOP_HAS_POSITION, algo.inst_id, f"stop {algo.algo_id} has no position to close"))
        elif not algo.reduce_only and not is_attached(algo.algo_cl_ord_id, ctx.order_prefix):
            found.append(Finding(_I.STOP_HAS_POSITION, algo.inst_id, f"stop {algo.algo_id} is not reduce-only"))
    return found


def foreign_is_locked(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I7: positions and stops that are not ours, without the lock that keeps us away."""
    found = []
    for row in _positions(ctx, session):
        ours = row.plan is not None or journal.open_trade(session, ctx.account_id, row.inst_id) is not None
        if not ours and LockReason.FOREIGN_POSITION not in _reasons(ctx, session, row.inst_id):
            found.append(Finding(_I.FOREIGN_IS_LOCKED, row.inst_id, f"a position of {row.contracts} is not ours"))
    for algo in _live_algos(ctx, session):
        ours = is_ours(algo.algo_cl_ord_id, ctx.order_prefix)
        if not ours and LockReason.FOREIGN_ORDER not in _reasons(ctx, session, algo.inst_id):
            found.append(Finding(_I.FOREIGN_IS_LOCKED, algo.inst_id, f"algo order {algo.algo_id} is not ours"))
    return found


def _positions(ctx: ExecutionContext, session: Session) -> list[Position]:
    query = select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
    return list(session.scalars(query.order_by(Position.id)))


def _live_algos(ctx: ExecutionContext, session: Session) -> list[AlgoOrder]:
    query = select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.state.in_(coverage.LIVE))
    return list(session.scalars(query.order_by(AlgoOrder.id)))


def _reasons(ctx: ExecutionContext, session: Session, inst_id: str) -> set[str]:
    return {lock.reason for lock in locks.open_locks(session, ctx.account_id, inst_id)}
