"""A stage's answer, stored under its claim, together with the next stage and the message that brings it there.

An answer that stays on its queue, or ends the cycle, is one statement: its own transaction, one round trip. One that
decides inside its transaction (the gate), or leaves a message behind, is a transaction of several.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from execution import outbox
from models import DecisionCycle
from models.session import at_once
from pipeline import claims
from pipeline.context import PipelineContext
from pipeline.stage import LEASE_S, QUEUE_TASKS, Next, queue_of

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Result:
    """What is written of an answer: the cycle's columns, its log entry, and the queue told of it, if one is."""

    values: dict[str, Any]
    entry: dict[str, Any]
    told: str | None

    def write(self, session: Session | Connection, cycle: DecisionCycle) -> None:
        assert cycle.claim_token is not None
        claims.settle(session, cycle, cycle.claim_token, self.values, self.entry)


def store(ctx: PipelineContext, cycle: DecisionCycle, answer: Next, started: datetime, queue: str) -> None:
    """Store the answer; the claim is kept for a next stage on `queue`, else given back. Raises StaleClaim."""
    stage, now = cycle.stage, ctx.execution.clock.wall_now()
    result = _result(ctx, cycle, answer, started, now, queue)
    if answer.write is None and result.told is None:
        with at_once(ctx.execution.sessions, lightly=True) as connection:
            result.write(connection, cycle)
    else:
        answer = _store_in_transaction(ctx, cycle, answer, started, now, queue)
    logger.info("state_transition", stage=stage, next=answer.stage, outcome=answer.outcome, reason=answer.reason)


def _store_in_transaction(
    ctx: PipelineContext, cycle: DecisionCycle, answer: Next, started: datetime, now: datetime, queue: str
) -> Next:
    with ctx.execution.sessions.begin() as session:
        if answer.write is None:
            claims.lightly(session)
        else:
            # Not locked first: should the claim be lost meanwhile, the last statement says so and nothing is kept.
            answer = replace(answer.write(session, cycle) or answer, write=None)
            session.flush()
        result = _result(ctx, cycle, answer, started, now, queue)
        result.write(session, cycle)
        if result.told is not None:
            outbox.post(session, QUEUE_TASKS[result.told], result.told, [cycle.id], not_before=cycle.not_before)
            outbox.relay_after_commit(ctx.execution, session)
    return answer


def _result(
    ctx: PipelineContext, cycle: DecisionCycle, answer: Next, started: datetime, now: datetime, queue: str
) -> _Result:
    same_stage = answer.stage == cycle.stage
    next_queue = queue_of(answer.stage, ctx.analyst.name) if answer.stage != "done" else ""
    keep = not same_stage and answer.delay_s == 0 and next_queue == queue
    values: dict[str, Any] = dict(answer.values)
    values["stage"] = answer.stage
    values["outcome"] = answer.outcome
    if answer.reason is not None:
        values["reason"] = answer.reason
    values["attempt"] = cycle.attempt if same_stage else (1 if keep else 0)
    values["lease_until"] = now + timedelta(seconds=LEASE_S[answer.stage]) if keep else None
    values["claim_token"] = cycle.claim_token if keep else None
    values["not_before"] = now + timedelta(seconds=answer.delay_s) if answer.delay_s else None
    if answer.stage == "done":
        values["finished_at"] = now
    entry = {"stage": cycle.stage, "started": started.isoformat(), "ended": now.isoformat(), "next": answer.stage}
    if answer.reason:
        entry["reason"] = answer.reason
    # `execute` is left by the trade worker, not by a message of ours.
    told = None if keep or answer.stage in ("done", "execute") else next_queue
    return _Result(values, entry, told)
