"""Opening cycles: one row per account, instrument and slot, whoever comes first."""

from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from models import BotState, DecisionCycle
from pipeline import claims
from pipeline.context import PipelineContext
from pipeline.stage import LEASE_S
from trading.candle import BAR_SECONDS
from trading.clock import slot_close

FIRST_STAGE = "collect"


def open_cycle(ctx: PipelineContext, inst_id: str, slot: datetime, opened_by: str) -> DecisionCycle | None:
    """Insert the cycle of `slot`, its first stage claimed by the caller, who drives it on.

    None when it exists or the bot is not running.
    """
    execution = ctx.execution
    now = execution.clock.wall_now()
    key = {"account_id": execution.account_id, "inst_id": inst_id, "slot": slot}
    # Asking first spares the sequence a number for every tick that finds the cycle open; the unique row decides.
    there = select(DecisionCycle.id).filter_by(**key).exists()
    with execution.sessions.begin() as session:
        claims.lightly(session)
        running = session.execute(
            select(BotState.account_id).where(
                BotState.account_id == execution.account_id, BotState.state == "running", ~there
            )
        ).scalar_one_or_none()
        if running is None:
            return None
        return session.execute(
            insert(DecisionCycle)
            .values(
                **key,
                opened_by=opened_by,
                analyst=ctx.analyst.name,
                stage=FIRST_STAGE,
                claim_token=uuid4(),
                lease_until=now + timedelta(seconds=LEASE_S[FIRST_STAGE]),
                attempt=1,
                deadline=now + timedelta(seconds=ctx.settings.decision_max_age_s),
            )
            .on_conflict_do_nothing()
            .returning(DecisionCycle)
        ).scalar_one_or_none()


def open_due(ctx: PipelineContext) -> list[DecisionCycle]:
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
    return [cycle for cycle in opened if cycle is not None]
