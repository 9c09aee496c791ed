"""Stops that follow the price: every two seconds, by one amendment each, only towards less risk.

Off unless a setting says otherwise. What is known of the position comes from the mirror, the price from the feed; the
move itself asks the exchange anew (`execution.stop_moves`). A move that was refused, or is not seen, is tried again
after a wait that doubles up to a minute; the stop that stands meanwhile is the one before.
"""

from datetime import timedelta
from decimal import Decimal

import structlog
from sqlalchemy import select

from exchange.errors import ReadFailed
from execution import journal
from execution.context import ExecutionContext, Refusals
from execution.errors import Refused
from execution.live_price import live_price
from execution.stop_moves import StopMoved, move_stop
from models import Position
from trading.following_stop import Holding, StopRules, break_even_due, wanted_stop
from trading.stop_prices import break_even_price, reduces_risk

logger = structlog.get_logger()

ACTOR = "stop rule"
LONGEST_WAIT = timedelta(seconds=60)


def follow_prices(ctx: ExecutionContext) -> list[StopMoved]:
    """Move every stop a rule wants moved; returns the moves. Safe to repeat. Runs in the `trade` worker only."""
    moved = []
    for row, price in wanted_moves(ctx):
        refused, now = ctx.refused_stop_moves.get(row.id), ctx.clock.wall_now()
        if refused is not None and now < refused.due:
            continue
        try:
            # People hear of the one that matters: from now on the trade does not lose.
            tell = _crosses(row, price)
            moved.append(move_stop(ctx, row.inst_id, to=price, actor=ACTOR, channel="bot", tell=tell))
            ctx.refused_stop_moves.pop(row.id, None)
        except (Refused, ReadFailed) as reason:
            count = refused.count + 1 if refused else 1
            wait = min(timedelta(seconds=2 ** min(count, 6)), LONGEST_WAIT)
            ctx.refused_stop_moves[row.id] = Refusals(count, now + wait)
            logger.warning("stop_not_moved", inst_id=row.inst_id, to=str(price), reason=str(reason))
            if isinstance(reason, ReadFailed):
                break  # the exchange is slow or gone: entries must not wait for the other stops as well
    return moved


def wanted_moves(ctx: ExecutionContext) -> list[tuple[Position, Decimal]]:
    """Positions whose stop a rule wants elsewhere now, and where. A price that cannot be read wants nothing."""
    rules = StopRules(ctx.settings.break_even_at_r, ctx.settings.trail_stop_r)
    if not rules.any:
        return []
    wanted = []
    for row, paid in _covered(ctx):
        try:
            price = _wanted(ctx, rules, row, paid)
        except ReadFailed as failure:
            logger.warning("stop_rule_unreadable", inst_id=row.inst_id, reason=str(failure))
            continue
        if price is not None:
            wanted.append((row, price))
    return wanted


def _covered(ctx: ExecutionContext) -> list[tuple[Position, Decimal]]:
    """Positions of ours with a plan under a live stop, and what each has cost so far, USDT, positive."""
    with ctx.sessions() as session:
        rows = session.scalars(
            select(Position)
            .where(
                Position.account_id == ctx.account_id,
                Position.contracts != 0,
                Position.stop_px.is_not(None),
                Position.avg_px.is_not(None),
                Position.plan.is_not(None),
                Position.uncovered_since.is_(None),
            )
            .order_by(Position.id)
        ).all()
        found = []
        for row in rows:
            trade = journal.open_trade(session, ctx.account_id, row.inst_id)
            if trade is not None:
                found.append((row, -(trade.fees + trade.funding)))
    return found


def _wanted(ctx: ExecutionContext, rules: StopRules, row: Position, paid: Decimal) -> Decimal | None:
    """Raises ReadFailed."""
    assert row.plan is not None, "chosen for its plan"
    assert row.avg_px is not None, "chosen for its price"
    assert row.stop_px is not None, "chosen for its stop"
    instrument, last = ctx.instrument(row.inst_id), live_price(ctx, row.inst_id)
    held = Holding(row.contracts, row.avg_px, Decimal(str(row.plan["stop_loss"])), row.stop_px)
    break_even = None
    if break_even_due(rules, held, last):
        taker = ctx.exchange.fee_rate(row.inst_id).taker
        break_even = break_even_price(instrument, row.contracts, row.avg_px, taker, paid)
    return wanted_stop(rules, held, last, instrument, break_even)


def _crosses(row: Position, price: Decimal) -> bool:
    """Whether the move takes the stop from the losing side to the winning one."""
    assert row.avg_px is not None, "chosen for its price"
    assert row.stop_px is not None, "chosen for its stop"
    return reduces_risk(row.contracts, row.stop_px, row.avg_px) and not reduces_risk(row.contracts, price, row.avg_px)
