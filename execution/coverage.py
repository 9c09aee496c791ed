"""Which live stops cover a position, by the mirror. Sizes in contracts, prices in USDT."""

from collections.abc import Iterable
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from execution.context import ExecutionContext
from execution.identifiers import is_attached
from models import AlgoOrder, Position

LIVE = ("live", "pause", "partially_effective")
NOT_LISTED = "not listed"  # fail code of a stop the exchange has forgotten: when it ended is not known


def stops_of(ctx: ExecutionContext, session: Session, inst_id: str) -> list[AlgoOrder]:
    """Live stop and target orders in the instrument, oldest first."""
    return list(
        session.scalars(
            select(AlgoOrder)
            .where(
                AlgoOrder.account_id == ctx.account_id,
                AlgoOrder.inst_id == inst_id,
                AlgoOrder.state.in_(LIVE),
            )
            .order_by(AlgoOrder.id)
        )
    )


def taken_away(ctx: ExecutionContext, session: Session, row: Position) -> AlgoOrder | None:
    """The stop that covered the position last, when it has ended without having been triggered and none is alive."""
    if any(closes(row.contracts, algo, ctx.order_prefix) for algo in stops_of(ctx, session, row.inst_id)):
        return None
    last = session.scalars(
        select(AlgoOrder)
        .where(
            AlgoOrder.account_id == ctx.account_id,
            AlgoOrder.inst_id == row.inst_id,
            AlgoOrder.side == ("sell" if row.contracts > 0 else "buy"),
            AlgoOrder.stop_loss_px.is_not(None),
            AlgoOrder.state.not_in(LIVE),
            AlgoOrder.updated_market_at >= row.opened_market_at,
        )
        .order_by(AlgoOrder.updated_market_at.desc(), AlgoOrder.id.desc())
        .limit(1)
    ).first()
    return None if last is None or last.state == "effective" else last


def closes(contracts: Decimal, algo: AlgoOrder, prefix: str) -> bool:
    """Whether a live algo order is a stop on the closing side that can only reduce (attached ones count)."""
    side = "sell" if contracts > 0 else "buy"
    reduces = algo.reduce_only or is_attached(algo.algo_cl_ord_id, prefix)
    return algo.stop_loss_px is not None and algo.side == side and reduces


def is_position_level(algo: AlgoOrder) -> bool:
    """Whether it closes the whole position, however large it is by then."""
    return algo.close_fraction == 1


def covers(contracts: Decimal, algos: Iterable[AlgoOrder], prefix: str) -> bool:
    """Whether the stops together cover the whole position."""
    stops = [algo for algo in algos if closes(contracts, algo, prefix)]
    if any(is_position_level(algo) for algo in stops):
        return True
    return sum((algo.sz_contracts or Decimal(0) for algo in stops), Decimal(0)) >= abs(contracts)


def refresh_levels(ctx: ExecutionContext, session: Session, row: Position) -> None:
    """Set the position's shown stop (the tightest that covers) and target from the live orders."""
    if row.contracts == 0:
        row.stop_px = row.target_px = None
        return
    algos = stops_of(ctx, session, row.inst_id)
    if not covers(row.contracts, algos, ctx.order_prefix):
        row.stop_px = row.target_px = None
        return
    stops = [algo for algo in algos if closes(row.contracts, algo, ctx.order_prefix)]
    whole = [algo for algo in stops if is_position_level(algo)] or stops
    tightest, nearest = (max, min) if row.contracts > 0 else (min, max)
    row.stop_px = tightest(algo.stop_loss_px for algo in whole if algo.stop_loss_px is not None)
    targets = [algo.take_profit_px for algo in whole if algo.take_profit_px is not None]
    row.target_px = nearest(targets) if targets else None
