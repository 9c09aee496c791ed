"""Size breaks and foreign positions: the position against what our fills make, lost fills brought in first."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from execution import following, journal, mirror
from execution.breaks import Break, ReconcileReport
from execution.context import ExecutionContext
from execution.ownership import expected_contracts
from execution.sight import Sight
from models import AlgoOrder, Fill, Order, Position
from trading.orders import FillReport, OrderState


def bring_in_fills(ctx: ExecutionContext, seen: Sight, report: ReconcileReport) -> None:
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


def compare_positions(ctx: ExecutionContext, seen: Sight, report: ReconcileReport) -> None:
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
