"""Was each order sent once, is nothing lost, do the books equal the exchange? By the exchange's own ledger.

`Judge.differences` reads the exchange (its ledger and audit, then as any client) and our tables, and names whatever
does not agree: empty means converged. Raises ReadFailed, ClockUnavailable or DBAPIError while one of the two cannot
be read.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import case, func, select

from execution import coverage, journal
from execution.context import ExecutionContext
from execution.following import ALGO_STATES, ORDER_STATES
from execution.identifiers import is_attached, is_ours
from models import AlgoOrder, Bill, Fill, Order, Position
from trading.orders import AlgoReport, OrderState

Ask = Callable[..., Any]
"""GET of the exchange's own side: `ask("/paper/audit")`, `ask("/paper/ledger", kind="request")`."""

PLACING = ("/api/v5/trade/order", "/api/v5/trade/order-algo", "/api/v5/trade/close-position")
ENDED_UNSENT = (OrderState.REJECTED, OrderState.EXPIRED, OrderState.DENIED, OrderState.ABSENT)
BILLS = " bills in our books"  # what a difference in bills says
# Of market time. The exchange shows fills of three days; what is at the edge may go while it is read.
SHOWN = timedelta(days=2, hours=20)
UNSETTLED = (OrderState.INTENDED, OrderState.SUBMITTING, OrderState.UNKNOWN)


@dataclass(frozen=True)
class Books:
    """What the exchange has of our account, read once."""

    accepted: dict[str, int]
    requests: Counter[str]
    positions: dict[str, Decimal]
    algos: list[AlgoReport]
    fills: set[tuple[str, str]]
    fills_counted: int
    identity_holds: bool


class Judge:
    """Compares one account's books. An order that has ended changes no more: it is compared once."""

    def __init__(self, ctx: ExecutionContext, ask: Ask) -> None:
        self._ctx, self._ask = ctx, ask
        self._compared: set[str] = set()

    def duplicates(self) -> list[str]:
        """Ids of ours that were sent, or accepted, more than once: never allowed, not even for a moment."""
        return _twice(_requests(self._ctx, self._ask), _audit(self._ask)["accepted"])

    def differences(self) -> list[str]:
        """Everything in which our books and the exchange disagree, in words; empty when converged."""
        ctx, books = self._ctx, _read(self._ctx, self._ask)
        found = _twice(books.requests, books.accepted)
        if not books.identity_holds:
            found.append("the exchange's own balance identity does not hold")
        found += _orders(ctx, books, self._compared) + _fills(ctx, books) + _positions(ctx, books)
        return found + _stops(ctx, books) + _bills(ctx)


def _twice(requests: Counter[str], accepted: dict[str, int]) -> list[str]:
    found = [f"{cl} was sent {n} times" for cl, n in requests.items() if n > 1]
    return found + [f"{cl} was accepted {n} times" for cl, n in accepted.items() if n > 1]


def _read(ctx: ExecutionContext, ask: Ask) -> Books:
    audit = _audit(ask)
    return Books(
        accepted=audit["accepted"],
        requests=_requests(ctx, ask),
        positions={p.inst_id: p.contracts for p in ctx.exchange.positions()},
        algos=ctx.exchange.algos_pending(),
        fills={(f.inst_id, f.trade_id) for f in ctx.exchange.fills()},
        fills_counted=audit["fills"],
        identity_holds=audit["identity_holds"],
    )


def _audit(ask: Ask) -> dict[str, Any]:
    (account,) = ask("/paper/audit")["accounts"].values()
    return dict(account)


def _requests(ctx: ExecutionContext, ask: Ask) -> Counter[str]:
    """Placements that reached the exchange, by our id, whatever it answered."""
    entries = ask("/paper/ledger", kind="request", limit=20000)["entries"]
    return Counter(
        cl for entry in entries if entry["path"] in PLACING for cl in entry["clOrdIds"] if is_ours(cl, ctx.order_prefix)
    )


def _orders(ctx: ExecutionContext, books: Books, compared: set[str]) -> list[str]:
    """Every order of ours the exchange accepted has a row in the same state; every row that says so was accepted."""
    with ctx.sessions() as session:
        rows = {row.cl_ord_id: row for row in session.scalars(select(Order).where(Order.account_id == ctx.account_id))}
    found = [f"{cl} was accepted and is in no row" for cl in books.accepted
             if is_ours(cl, ctx.order_prefix) and cl not in rows and not is_attached(cl, ctx.order_prefix)]  # fmt: skip
    for row in rows.values():
        state, accepted = OrderState(row.state), books.accepted.get(row.cl_ord_id, 0)
        if state in UNSETTLED:
            found.append(f"{row.leg} {row.cl_ord_id} is {state}")
        elif state in ENDED_UNSENT:
            if accepted:
                found.append(f"{row.cl_ord_id} is {state} and was accepted")
        elif not accepted:
            found.append(f"{row.cl_ord_id} is {state} and was never accepted")
        else:
            found += _same_order(ctx, row, state, compared)
    return found


def _same_order(ctx: ExecutionContext, row: Order, state: OrderState, compared: set[str]) -> list[str]:
    if row.cl_ord_id in compared:
        return []
    if row.kind == "algo":
        algo = ctx.exchange.algo(row.cl_ord_id)
        theirs = ALGO_STATES.get(algo.state) if algo is not None else None
    else:
        report = ctx.exchange.order(row.inst_id, row.cl_ord_id)
        if report is None and state is OrderState.CANCELED and row.acc_fill_sz_contracts == 0:
            return []  # OKX forgets cancelled orders that never filled
        theirs = ORDER_STATES.get(report.state) if report is not None else None
        if report is not None and report.acc_fill_sz_contracts != row.acc_fill_sz_contracts:
            return [f"{row.cl_ord_id}: {row.acc_fill_sz_contracts} filled, exchange {report.acc_fill_sz_contracts}"]
    if theirs is not state:
        return [f"{row.cl_ord_id} is {state}, at the exchange {theirs}"]
    if state in (OrderState.FILLED, OrderState.CANCELED):
        compared.add(row.cl_ord_id)
    return []


def _fills(ctx: ExecutionContext, books: Books) -> list[str]:
    """The same fills, one by one as far back as the exchange shows them; all of them in number."""
    query = select(Fill.inst_id, Fill.trade_id).where(Fill.account_id == ctx.account_id)
    with ctx.sessions() as session:
        ours = set(session.execute(query).all())
        lately = set(session.execute(query.where(Fill.market_at > ctx.clock.market_now() - SHOWN)).all())
    found = [f"fill {trade} in {inst} is lost" for inst, trade in books.fills - ours]
    found += [f"fill {trade} in {inst} is in our books only" for inst, trade in lately - books.fills]
    if len(ours) != books.fills_counted and not found:
        found.append(f"{len(ours)} fills in our books, the exchange counts {books.fills_counted}")
    return found


def _positions(ctx: ExecutionContext, books: Books) -> list[str]:
    with ctx.sessions() as session:
        rows = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        mirrored = {row.inst_id: row.contracts for row in rows}
        by_fills = dict(
            session.execute(
                select(Fill.inst_id, func.sum(Fill.sz_contracts * case((Fill.side == "buy", 1), else_=-1)))
                .where(Fill.account_id == ctx.account_id)
                .group_by(Fill.inst_id)
            ).all()
        )
        trades = {}
        for inst_id in mirrored.keys() | by_fills.keys() | books.positions.keys():
            trade = journal.open_trade(session, ctx.account_id, inst_id)
            trades[inst_id] = journal.signed(trade) if trade is not None else Decimal(0)
    found = []
    for inst_id, journalled in trades.items():
        held, zero = books.positions.get(inst_id, Decimal(0)), Decimal(0)
        for name, value in (
            ("mirrored", mirrored.get(inst_id, zero)),
            ("by fills", by_fills.get(inst_id, zero)),
            ("by trades", journalled),
        ):
            if value != held:
                found.append(f"{inst_id}: {value} {name}, {held} at the exchange")
    return found


def _stops(ctx: ExecutionContext, books: Books) -> list[str]:
    """Live stops mirrored as they are; each position under a position-level one; none without a position."""
    theirs = {algo.algo_id: algo for algo in books.algos}
    with ctx.sessions() as session:
        live = set(
            session.scalars(
                select(AlgoOrder.algo_id).where(
                    AlgoOrder.account_id == ctx.account_id, AlgoOrder.state.in_(coverage.LIVE)
                )
            )
        )
    found = [f"stop {algo_id} is live in our books only" for algo_id in live - theirs.keys()]
    found += [f"stop {algo_id} is live at the exchange only" for algo_id in theirs.keys() - live]
    for inst_id, contracts in books.positions.items():
        side = "sell" if contracts > 0 else "buy"
        covering = [a for a in books.algos if a.inst_id == inst_id and a.close_fraction == 1 and a.reduce_only
                    and a.side == side and a.stop_loss_px is not None]  # fmt: skip
        if len(covering) != 1:
            found.append(f"{inst_id}: {contracts} contracts under {len(covering)} position-level stops")
    for algo in books.algos:
        if algo.inst_id not in books.positions:
            found.append(f"stop {algo.algo_cl_ord_id} in {algo.inst_id} has no position")
    return found


def _bills(ctx: ExecutionContext) -> list[str]:
    theirs = ctx.exchange.bills()
    with ctx.sessions() as session:
        ours = session.scalar(select(func.count()).select_from(Bill).where(Bill.account_id == ctx.account_id)) or 0
    return [f"{ours}{BILLS}, {len(theirs)} at the exchange"] if ours < len(theirs) else []
