"""The mirror's stops and positions brought to what the exchange says now, before anything is done about them."""

from datetime import datetime

import structlog
from sqlalchemy import select

from execution import coverage, journal, mirror
from execution.context import ExecutionContext
from models import AlgoOrder, Position

logger = structlog.get_logger()


def refresh(ctx: ExecutionContext) -> None:
    """Bring algo orders, then positions, of the mirror to what the exchange says now. Raises ReadFailed.

    In this order a position opened in between is at worst taken for uncovered, never for covered.
    """
    algos_as_of = ctx.clock.wall_now()
    algos = ctx.exchange.algos_pending()
    positions_as_of = ctx.clock.wall_now()
    positions = ctx.exchange.positions()
    for algo in algos:
        mirror.ingest_algo(ctx, algo, source="reconcile")
    look_up_ended(ctx, {algo.algo_id for algo in algos}, algos_as_of)
    for position in positions:
        mirror.ingest_position(ctx, position, as_of=positions_as_of)
    held = {position.inst_id for position in positions}
    with ctx.sessions() as session:
        gone = session.scalars(
            select(Position).where(
                Position.account_id == ctx.account_id, Position.contracts != 0, Position.inst_id.not_in(held)
            )
        ).all()
    for row in gone:
        # Flat needs the fills that made it so; foreign positions have none in our books.
        if _closed_by_the_books(ctx, row.inst_id):
            mirror.ingest_flat(ctx, row.inst_id, row.updated_market_at, as_of=positions_as_of)


def _closed_by_the_books(ctx: ExecutionContext, inst_id: str) -> bool:
    with ctx.sessions() as session:
        if journal.open_trade(session, ctx.account_id, inst_id) is None:
            return True
    for fill in reversed(ctx.exchange.fills(inst_id)):
        mirror.ingest_fill(ctx, fill)
    with ctx.sessions() as session:
        return journal.open_trade(session, ctx.account_id, inst_id) is None


def look_up_ended(ctx: ExecutionContext, live: set[str], as_of: datetime) -> None:
    """Algo orders our mirror takes for live and the exchange does not list: ask what became of each."""
    with ctx.sessions() as session:
        rows = session.scalars(
            select(AlgoOrder).where(
                AlgoOrder.account_id == ctx.account_id,
                AlgoOrder.state.in_(coverage.LIVE),
                AlgoOrder.algo_id.not_in(live),
                AlgoOrder.seen_at < as_of,
            )
        ).all()
    for row in rows:
        found = ctx.exchange.algo_by_id(row.algo_id)
        if found is not None:
            mirror.ingest_algo(ctx, found, source="reconcile")
            continue
        with ctx.sessions.begin() as session:
            stale = session.get_one(AlgoOrder, row.id, with_for_update=True)
            stale.state, stale.fail_code = "canceled", coverage.NOT_LISTED
            stale.seen_at = ctx.clock.wall_now()
        logger.warning("algo_vanished", algo_id=row.algo_id, inst_id=row.inst_id)
