"""Collect: the market and the account at this slot, in one snapshot that everything after rests on.

Market data not there yet: try again shortly. Account state unknown: HOLD. A position whose invalidation condition
is true on a closed candle is closed here, in code, without asking anyone.
"""

from typing import Any

from exchange.errors import ReadFailed
from models import DecisionCycle
from models.session import at_once
from pipeline.account_view import account_view, read_account
from pipeline.context import PipelineContext
from pipeline.market_view import BARS, MarketUnavailable, full_snapshot
from pipeline.stage import Next, Retryable
from trading.clock import ClockUnavailable
from trading.decision import Action, Decision
from trading.invalidation import describe, is_invalidated
from trading.snapshot import MarketSnapshot, PositionView


def collect(ctx: PipelineContext, cycle: DecisionCycle) -> Next:
    """→ `screen` (a model screens), `analyze` (rules), `gate` (an invalidated position), or `journal` with HOLD."""
    clock = ctx.execution.clock
    if clock.wall_now() > cycle.deadline:
        return Next("journal", reason="hold: the cycle's deadline had passed before it could start")
    try:
        market = full_snapshot(ctx, cycle.inst_id, cycle.slot)
        reading = read_account(ctx)
        market_now = clock.market_now()
    except MarketUnavailable as error:
        raise Retryable(str(error)) from error
    except (ReadFailed, ClockUnavailable) as error:
        return Next("journal", reason=f"hold: account state unknown: {error}")
    with at_once(ctx.execution.sessions) as connection:
        view = account_view(ctx, connection, reading, market_now)
    values: dict[str, Any] = {
        "snapshot": {
            "market": market.model_dump(mode="json"),
            "account": view.account.model_dump(mode="json"),
            "history": view.history.model_dump(mode="json"),
        },
    }
    position = view.account.position(cycle.inst_id)
    invalidated = _invalidated(position, market)
    if invalidated:
        decision = Decision(action=Action.CLOSE, inst_id=cycle.inst_id, reasoning=f"invalidated: {invalidated}",
                            strategy=position.plan.strategy if position and position.plan else "")  # fmt: skip
        values |= {"decision": decision.model_dump(mode="json"), "decided_at": clock.wall_now()}
        return Next("gate", values)
    if market.late_bars:
        # A timeframe that has stopped is as stale as a price that has; closing did not wait for it.
        raise Retryable(f"the {' and '.join(market.late_bars)} candle due by {cycle.slot:%H:%M} has not arrived")
    absent = [bar for bar in BARS if bar not in market.frames]
    if absent:
        # Nothing is on its way (a young instrument, an emptied Redis): waiting would not bring it.
        return Next("journal", values, reason=f"hold: no {' and '.join(absent)} candle is known")
    return Next("screen" if ctx.screener is not None else "analyze", values)


def _invalidated(position: PositionView | None, market: MarketSnapshot) -> str | None:
    if position is None or position.plan is None or position.plan.invalidation is None:
        return None
    condition = position.plan.invalidation
    return describe(condition) if is_invalidated(condition, market.frames) else None
