"""Moving the stop of an open position, only ever towards less risk, by one amendment: at no moment is there none.

The move is audited before it is sent, sent once, and judged by what the exchange then shows, not by its reply. Where
the stop stands is written down by whoever sees it first (`execution.following.follow_move`), in time or late.
"""

import time
from dataclasses import dataclass
from decimal import Decimal

import structlog
from sqlalchemy import select

from execution import coverage, mirror, notices
from execution.context import ExecutionContext
from execution.errors import Refused
from execution.identifiers import is_ours
from execution.ownership import our_part
from models import Trade
from trading.orders import AlgoReport, OutcomeKind, PositionReport
from trading.stop_prices import break_even_price, reduces_risk, trailing_price, triggers_at_once

logger = structlog.get_logger()

LOOKS = 4
LOOK_EVERY_S = 0.3


@dataclass(frozen=True, slots=True)
class StopMoved:
    """The stop of `inst_id` stands at `now`; it stood at `before`. USDT."""

    inst_id: str
    before: Decimal
    now: Decimal


def move_stop(
    ctx: ExecutionContext,
    inst_id: str,
    *,
    to: Decimal | None = None,
    break_even: bool = False,
    trail_pct: Decimal | None = None,
    actor: str,
    channel: str,
    tell: bool = True,
) -> StopMoved:
    """Move the position-level stop to a price, to break-even, or to a distance behind the last price (per cent).

    `tell`: whether people are told of it; the audit, the order's events and the log know of every move.
    Raises Refused with the reason, ReadFailed when the exchange cannot be read.
    """
    if (to is not None) + break_even + (trail_pct is not None) != 1:
        raise ValueError("exactly one of to, break_even, trail_pct")
    position, algo = _held(ctx, inst_id), _stop(ctx, inst_id)
    before, instrument = algo.stop_loss_px, ctx.instrument(inst_id)
    assert before is not None, "chosen for its stop"
    last = ctx.exchange.ticker(inst_id).last
    if to is not None:
        new = instrument.round_price(to)
    elif trail_pct is not None:
        new = trailing_price(instrument, position.contracts, last, trail_pct)
    else:
        taker = ctx.exchange.fee_rate(inst_id).taker
        new = break_even_price(instrument, position.contracts, position.avg_px, taker, _paid(ctx, inst_id))
    if not reduces_risk(position.contracts, before, new):
        raise Refused(
            f"the stop of {inst_id} is at {before}; {new} would risk more, and a stop only moves to less risk"
        )
    if triggers_at_once(position.contracts, last, new):
        raise Refused(f"{inst_id} is at {last}: a stop at {new} would trigger at once; close the position instead")
    detail = {"inst_id": inst_id, "algo_id": algo.algo_id, "from": str(before), "to": str(new)}
    with ctx.sessions.begin() as session:
        notices.audit(session, ctx.account_id, actor, channel, "move_stop", detail)
    outcome = ctx.exchange.amend_algo(inst_id, algo.algo_id, new_stop=new)
    if outcome.kind is OutcomeKind.REJECTED:
        raise Refused(f"the exchange refused to move the stop of {inst_id}: {outcome.code} {outcome.message}")
    _await(ctx, algo, new)
    if tell:
        with ctx.sessions.begin() as session:
            message = f"stop of {inst_id} moved from {before} to {new} by {actor}"
            notices.alert(session, ctx.account_id, "stop_moved", "INFO", message, inst_id=inst_id)
    logger.info("stop_moved", inst_id=inst_id, before=str(before), now=str(new), actor=actor)
    return StopMoved(inst_id, before, new)


def _held(ctx: ExecutionContext, inst_id: str) -> PositionReport:
    held = [p for p in ctx.exchange.positions(inst_id) if p.mgn_mode == ctx.settings.margin_mode]
    if not held:
        raise Refused(f"there is no position in {inst_id}")
    if our_part(ctx, held[0]) == 0:
        raise Refused(f"the position in {inst_id} is not ours")
    return held[0]


def _stop(ctx: ExecutionContext, inst_id: str) -> AlgoReport:
    """The live position-level stop of ours, as the exchange lists it."""
    for algo in ctx.exchange.algos_pending():
        ours = algo.inst_id == inst_id and is_ours(algo.algo_cl_ord_id, ctx.order_prefix)
        if ours and algo.close_fraction == 1 and algo.stop_loss_px is not None:
            return algo
    raise Refused(f"{inst_id} has no position-level stop yet; protection places it within seconds of the entry")


def _paid(ctx: ExecutionContext, inst_id: str) -> Decimal:
    """What the open trade has cost so far, USDT, positive. Raises Refused while it is not in our books."""
    with ctx.sessions() as session:
        trade = session.scalars(
            select(Trade).where(
                Trade.account_id == ctx.account_id, Trade.inst_id == inst_id, Trade.closed_market_at.is_(None)
            )
        ).one_or_none()
    if trade is None:
        raise Refused(f"the costs of {inst_id} are not in our books yet; try again in a moment")
    return -(trade.fees + trade.funding)


def _await(ctx: ExecutionContext, algo: AlgoReport, new: Decimal) -> None:
    """Until the exchange shows the new price. Raises Refused when it does not."""
    for look in range(LOOKS):
        found = ctx.exchange.algo_by_id(algo.algo_id)
        if found is not None:
            mirror.ingest_algo(ctx, found, source="reconcile")
            if found.state not in coverage.LIVE:
                raise Refused(f"the stop of {algo.inst_id} has ended meanwhile: {found.state}")
            if found.stop_loss_px == new:
                return
        if look < LOOKS - 1:
            time.sleep(LOOK_EVERY_S)
    raise Refused(
        f"the exchange still shows the stop of {algo.inst_id} at {algo.stop_loss_px}, and whether the move will take "
        "effect is not known; look again with `okxbot status`"
    )
