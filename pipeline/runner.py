"""Runs the stages of one queue for one cycle: claim, run, commit result and next stage together, go on.

Whatever goes wrong on the way in ends as HOLD with its reason stored, whether the stage failed, its result could not
be written, or its worker died every time it tried. A stage that may try again gives its claim back with a not-before;
when its tries are used up, the cycle ends. Nobody is asked for a decision after the cycle's deadline.
"""

from datetime import datetime

import structlog

from models import DecisionCycle
from pipeline import claims, results
from pipeline.context import PipelineContext
from pipeline.stage import STAGE_QUEUES, Next, Retryable, StaleClaim, queue_of
from pipeline.stages import stage_function

logger = structlog.get_logger()
MAX_ATTEMPTS = 3
BEFORE_GATE = ("collect", "screen", "research", "analyze", "gate")
ASKING = ("screen", "research", "analyze")
JOURNAL_ATTEMPTS = 10


def stages_of(queue: str, analyst: str) -> tuple[str, ...]:
    """The stages that run on `queue`."""
    return tuple(stage for stage in STAGE_QUEUES if queue_of(stage, analyst) == queue)


def advance(ctx: PipelineContext, cycle_id: int, queue: str) -> str:
    """Run the cycle's stages on `queue` until it leaves it, waits, or ends; returns where it stands.

    A second delivery, a claim held elsewhere and a cycle already past this queue all return `not_ours`.
    """
    with ctx.execution.sessions.begin() as session:
        claims.lightly(session)
        cycle = claims.claim(session, cycle_id, stages_of(queue, ctx.analyst.name), ctx.execution.clock.wall_now())
    return "not_ours" if cycle is None else drive(ctx, cycle, queue)


def drive(ctx: PipelineContext, cycle: DecisionCycle, queue: str) -> str:
    """Run a cycle whose claim is ours, stage by stage, as far as `queue` goes; returns where it stands."""
    with structlog.contextvars.bound_contextvars(cycle_id=cycle.id, inst_id=cycle.inst_id):
        while cycle.claim_token is not None:
            answer, started = _run(ctx, cycle)
            try:
                _store(ctx, cycle, answer, started, queue)
            except StaleClaim:
                logger.warning("claim_lost", stage=cycle.stage)
                return "not_ours"
    return cycle.stage


def _store(ctx: PipelineContext, cycle: DecisionCycle, answer: Next, started: datetime, queue: str) -> None:
    """Commit the answer; an answer that cannot be stored ends the stage as a failure."""
    try:
        results.store(ctx, cycle, answer, started, queue)
    except StaleClaim:
        raise
    except Exception as error:
        logger.exception("stage_result_not_stored", stage=cycle.stage)
        failure = _failed(cycle, f"{type(error).__name__} in stage {cycle.stage}")
        results.store(ctx, cycle, failure, started, queue)


def _run(ctx: PipelineContext, cycle: DecisionCycle) -> tuple[Next, datetime]:
    """One stage, its failures turned into answers."""
    started = ctx.execution.clock.wall_now()
    if cycle.stage in BEFORE_GATE and cycle.attempt > MAX_ATTEMPTS:
        return _failed(cycle, f"stage {cycle.stage} was begun {MAX_ATTEMPTS} times and never ended"), started
    if cycle.stage in ASKING and started > cycle.deadline:
        return _failed(cycle, f"the cycle's deadline had passed before stage {cycle.stage}"), started
    try:
        return stage_function(cycle.stage)(ctx, cycle), started
    except Retryable as reason:
        if cycle.attempt < MAX_ATTEMPTS:
            return Next(cycle.stage, delay_s=0.25 * 2**cycle.attempt, reason=str(reason)), started
        failure = str(reason)
    except Exception as error:  # classified below: logged, stored, and the cycle ends
        logger.exception("stage_failed", stage=cycle.stage)
        failure = f"{type(error).__name__} in stage {cycle.stage}"
    return _failed(cycle, failure), started


def _failed(cycle: DecisionCycle, failure: str) -> Next:
    """What becomes of a cycle whose stage failed: HOLD on the way in; later its order counts, and we look again."""
    if cycle.stage in BEFORE_GATE:
        return Next("journal", reason=f"hold: {failure}")
    if cycle.stage == "journal" and cycle.attempt >= JOURNAL_ATTEMPTS:
        return Next("done", outcome="unknown", reason=failure)
    return Next(cycle.stage, delay_s=2, reason=failure)
