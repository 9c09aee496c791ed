"""The ten invariants: each a question to our books, answered by findings; none asks the exchange itself.

Sizes in contracts, money in USDT, ages in wall seconds unless they say market.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from execution import coverage, journal, locks
from execution.bound import closing_side
from execution.breach import breach_of
from execution.break_log import Finding
from execution.context import ExecutionContext
from execution.identifiers import is_attached, is_ours
from execution.locks import LockReason
from execution.market_freshness import stale_candles
from models import AlgoOrder, BotState, Fill, Order, Position, Trade
from trading.orders import ENTRY_LEGS, OPEN_STATES, OrderState


class Invariant(StrEnum):
    """Names; `number` is the one the documentation uses."""

    ONE_ORDER_PER_INTENT = "one_order_per_intent"
    ONE_OPEN_ENTRY = "one_open_entry"
    OUTCOME_KNOWN_IN_TIME = "outcome_known_in_time"
    POSITION_EQUALS_FILLS = "position_equals_fills"
    POSITION_COVERED = "position_covered"
    STOP_HAS_POSITION = "stop_has_position"
    FOREIGN_IS_LOCKED = "foreign_is_locked"
    WITHIN_LIMITS = "within_limits"
    CLOCK_AGREES = "clock_agrees"
    DATA_IS_FRESH = "data_is_fresh"

    @property
    def number(self) -> str:
        """I1 to I10."""
        return f"I{list(Invariant).index(self) + 1}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`grace`: how long it may be seen before it counts. `halt`: the kind of halt, None: entries wait for its end.

    `asks_exchange`: our mirror may merely be behind, so the exchange is read before it counts.
    """

    says: str
    grace: timedelta
    halt: str | None
    asks_exchange: bool


_I = Invariant
RULES: dict[Invariant, Rule] = {
    _I.ONE_ORDER_PER_INTENT: Rule(
        "at most one order on the exchange for one intent", timedelta(0), "invariant", asks_exchange=False
    ),
    _I.ONE_OPEN_ENTRY: Rule("at most one open entry in an instrument", timedelta(0), "invariant", asks_exchange=False),
    _I.OUTCOME_KNOWN_IN_TIME: Rule(
        "no outcome stays unknown for two minutes of a readable exchange", timedelta(seconds=60), "unknown_state",
        asks_exchange=True,
    ),
    _I.POSITION_EQUALS_FILLS: Rule(
        "a position is the sum of its fills, or locked as different", timedelta(seconds=75), "invariant",
        asks_exchange=True,
    ),
    _I.POSITION_COVERED: Rule(
        "every position of ours has a live stop over all of it", timedelta(seconds=10), "invariant", asks_exchange=True
    ),
    _I.STOP_HAS_POSITION: Rule(
        "every stop of ours only reduces, and has a position", timedelta(seconds=30), None, asks_exchange=True
    ),
    _I.FOREIGN_IS_LOCKED: Rule(
        "what is not ours is locked", timedelta(seconds=90), None, asks_exchange=True
    ),
    _I.WITHIN_LIMITS: Rule(
        "margin, leverage, loss and the number of orders are within their limits", timedelta(seconds=30), "invariant",
        asks_exchange=True,
    ),
    _I.CLOCK_AGREES: Rule(
        "our clock and the exchange's differ by less than a second", timedelta(0), None, asks_exchange=False
    ),
    _I.DATA_IS_FRESH: Rule(
        "account and candles are fresh", timedelta(seconds=20), None, asks_exchange=False
    ),
}  # fmt: skip

UNKNOWN_FOR = timedelta(minutes=2)
RECENT = timedelta(days=1)
MOST_SKEW_S = Decimal(1)
SKEW_KNOWN_FOR = timedelta(minutes=5)
ACCOUNT_FRESH_FOR = timedelta(minutes=3)
ORDERS_PER_MINUTE = 60


def one_order_per_intent(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I1: one clOrdId, one ordId; by what fills and stops of the last day say."""
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
    return [Finding(_I.ONE_ORDER_PER_INTENT, inst, f"{name} became {n} orders") for name, inst, n in [*fills, *stops]]


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


def within_limits(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I8. Margin may outgrow its share as equity falls, but not beyond what the drawdown halt allows."""
    settings, state = ctx.settings, session.get_one(BotState, ctx.account_id)
    ours = [
        row for row in _positions(ctx, session)
        if LockReason.FOREIGN_POSITION not in _reasons(ctx, session, row.inst_id)
    ]  # fmt: skip
    found = []
    margin = sum((row.margin for row in ours), Decimal(0))
    if state.equity is not None:
        share = settings.max_total_margin_pct / (1 - settings.drawdown_halt_pct / 100) / 100
        if margin > state.equity * share:
            found.append(Finding(_I.WITHIN_LIMITS, "", f"margin {margin:.2f} is over {state.equity * share:.2f} USDT"))
    most = max(Decimal(settings.leverage), settings.max_leverage)
    found += [
        Finding(_I.WITHIN_LIMITS, row.inst_id, f"leverage {row.leverage} is over {most}")
        for row in ours
        if row.leverage is not None and row.leverage > most
    ]
    breach = breach_of(state, settings.daily_loss_halt_pct, settings.drawdown_halt_pct)
    if breach is not None and not state.halted:
        found.append(Finding(_I.WITHIN_LIMITS, "", f"{breach[1]}, and the bot is not halted"))
    speed = getattr(settings, "paper_speed", 1)
    sent = session.scalar(
        select(func.count())
        .select_from(Order)
        .where(Order.account_id == ctx.account_id, Order.submitted_at > ctx.clock.wall_now() - timedelta(minutes=1))
    )
    if speed != "lockstep" and (sent or 0) > ORDERS_PER_MINUTE * max(1.0, float(speed)):
        found.append(Finding(_I.WITHIN_LIMITS, "", f"{sent} orders sent within a minute"))
    return found


def clock_agrees(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I9: as measured last; not measured for long is as bad."""
    state, now = session.get_one(BotState, ctx.account_id), ctx.clock.wall_now()
    since = max((at for at in (state.clock_skew_at, state.started_at) if at is not None), default=None)
    if since is None or now - since > SKEW_KNOWN_FOR:
        return [Finding(_I.CLOCK_AGREES, "", "the difference to the exchange's clock has not been measured for long")]
    if state.clock_skew_s is not None and abs(state.clock_skew_s) > MOST_SKEW_S:
        return [Finding(_I.CLOCK_AGREES, "", f"the exchange's clock is {state.clock_skew_s:+.3f} s from ours")]
    return []


def data_is_fresh(ctx: ExecutionContext, session: Session) -> list[Finding]:
    """I10: the account as last observed, and the newest confirmed candle of every instrument."""
    state, now = session.get_one(BotState, ctx.account_id), ctx.clock.wall_now()
    if state.started_at is None or now - state.started_at < ACCOUNT_FRESH_FOR:
        return []
    found = [Finding(_I.DATA_IS_FRESH, inst_id, what) for inst_id, what in stale_candles(ctx, session)]
    seen: datetime | None = state.equity_at
    if seen is None or now - seen > ACCOUNT_FRESH_FOR:
        found.append(Finding(_I.DATA_IS_FRESH, "", "the account has not been observed for three minutes"))
    return found


CHECKS: tuple[Callable[[ExecutionContext, Session], list[Finding]], ...] = (
    one_order_per_intent,
    one_open_entry,
    outcome_known_in_time,
    position_equals_fills,
    position_covered,
    stop_has_position,
    foreign_is_locked,
    within_limits,
    clock_agrees,
    data_is_fresh,
)


def _positions(ctx: ExecutionContext, session: Session) -> list[Position]:
    query = select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
    return list(session.scalars(query.order_by(Position.id)))


def _live_algos(ctx: ExecutionContext, session: Session) -> list[AlgoOrder]:
    query = select(AlgoOrder).where(AlgoOrder.account_id == ctx.account_id, AlgoOrder.state.in_(coverage.LIVE))
    return list(session.scalars(query.order_by(AlgoOrder.id)))


def _reasons(ctx: ExecutionContext, session: Session, inst_id: str) -> set[str]:
    return {lock.reason for lock in locks.open_locks(session, ctx.account_id, inst_id)}
