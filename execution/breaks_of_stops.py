"""Missing and orphan stops: named here, mended by protection, which is asked to look. Foreign ones lock."""

from sqlalchemy import select

from execution import coverage, mirror, outbox, refreshing
from execution.breaks import Break, ReconcileReport
from execution.context import ExecutionContext
from execution.identifiers import is_ours
from execution.sight import Sight
from models import AlgoOrder, Position


def compare_stops(ctx: ExecutionContext, seen: Sight, report: ReconcileReport) -> None:
    report.stops = len(seen.algos)
    for algo in seen.algos:
        mirror.ingest_algo(ctx, algo, source="reconcile")
        if not is_ours(algo.algo_cl_ord_id, ctx.order_prefix):
            report.breaks.append((Break.FOREIGN_ORDER, algo.inst_id, f"algo order {algo.algo_id}"))
    refreshing.look_up_ended(ctx, {algo.algo_id for algo in seen.algos}, seen.algos_as_of)


def compare_coverage(ctx: ExecutionContext, report: ReconcileReport) -> None:
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
