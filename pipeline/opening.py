"""Opening cycles: one row per account, instrument and slot, whoever comes first."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import BotState, DecisionCycle
from pipeline.context import PipelineContext
from trading.candle import BAR_SECONDS
from trading.clock import slot_close


def open_cycle(ctx: PipelineContext, inst_id: str, slot: datetime, opened_by: str) -> int | None:
    """Insert the cycle of `slot`; its id, or None when it exists or the bot is not running."""
    execution = ctx.execution
    seconds = ctx.settings.decision_max_age_s
    with execution.sessions.begin() as session:
        state = session.execute(
            select(BotState.state).where(BotState.account_id == execution.account_id)
        ).scalar_one_or_none()
        if state != "running" or _exists(session, execution.account_id, inst_id, slot):
            return None
        return session.execute(
            insert(DecisionCycle)
            .values(
                account_id=execution.account_id,
                inst_id=inst_id,
                slot=slot,
                opened_by=opened_by,
                analyst=ctx.analyst.name,
                deadline=execution.clock.wall_now() + timedelta(seconds=seconds),
            )
            .on_conflict_do_nothing()
            .returning(DecisionCycle.id)
        ).scalar_one_or_none()


def _exists(session: Session, account_id: int, inst_id: str, slot: datetime) -> bool:
    """Spares the sequence a number for every tick that finds the cycle open; the unique row still decides."""
    key = (
        DecisionCycle.account_id == account_id,
        DecisionCycle.inst_id == inst_id,
        DecisionCycle.slot == slot,
    )
    return session.scalar(select(DecisionCycle.id).where(*key)) is not None


def open_due(ctx: PipelineContext) -> list[int]:
    """Open the current slot of every instrument: beat's watchdog over the feed, so it waits a moment first.

    In lockstep the pacer alone opens cycles, one after the other.
    """
    if getattr(ctx.settings, "paper_speed", 1) == "lockstep":
        return []
    seconds = BAR_SECONDS[ctx.settings.decision_bar]
    now = ctx.execution.clock.market_now()
    slot = slot_close(now, seconds)
    if (now - slot).total_seconds() < 0.2 * seconds:
        return []
    opened = (open_cycle(ctx, inst_id, slot, "beat") for inst_id in ctx.settings.instruments)
    return [cycle_id for cycle_id in opened if cycle_id is not None]
