"""Opening cycles: one row per account, instrument and slot, whoever comes first."""

from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import literal, select
from sqlalchemy.dialects.postgresql import insert

from models import BotState, DecisionCycle
from models.session import at_once
from pipeline.context import PipelineContext
from pipeline.stage import LEASE_S
from trading.candle import BAR_SECONDS
from trading.clock import slot_close

FIRST_STAGE = "collect"


def open_cycle(ctx: PipelineContext, inst_id: str, slot: datetime, opened_by: str) -> DecisionCycle | None:
    """Insert the cycle of `slot`, its first stage claimed by the caller, who drives it on.

    None when it exists, the bot is not running, or the instrument is none of those it was started with.
    """
    if inst_id not in ctx.instruments:
        return None
    execution = ctx.execution
    now = execution.clock.wall_now()
    key = {"account_id": execution.account_id, "inst_id": inst_id, "slot": slot}
    values = {
        **key,
        "opened_by": opened_by,
        "analyst": ctx.analyst.name,
        "stage": FIRST_STAGE,
        "claim_token": uuid4(),
        "lease_until": now + timedelta(seconds=LEASE_S[FIRST_STAGE]),
        "attempt": 1,
        "deadline": now + timedelta(seconds=ctx.settings.decision_max_age_s),
    }
    columns = DecisionCycle.__table__.columns
    # Asking first spares the sequence a number for every tick that finds the cycle open; the unique row decides.
    there = select(DecisionCycle.id).filter_by(**key).exists()
    running = select(*(literal(value, columns[name].type) for name, value in values.items())).where(
        select(BotState.account_id)
        .where(BotState.account_id == execution.account_id, BotState.state == "running")
        .exists(),
        ~there,
    )
    opening = insert(DecisionCycle).from_select(list(values), running).on_conflict_do_nothing().returning(*columns)
    with at_once(execution.sessions, lightly=True) as connection:
        row = connection.execute(opening).one_or_none()
    return None if row is None else DecisionCycle(**row._mapping)


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
