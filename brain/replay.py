"""Replay: what was answered then, answered again from the store, without network and without cost.

`ReplayCalls` takes the place of `ModelCalls`: the same analyst, given the same input, builds the same bytes and finds
its stored answer by their hash. A miss is refused, never asked anew.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select

from brain.calls import CallSpec, Provider, Reply, Understood
from brain.claude.answer import understand
from brain.claude.decision_schema import to_decision
from brain.wire import sha256
from models import DecisionCycle, LlmCall
from models.session import SessionFactory
from trading.decision import Decision

T = TypeVar("T")


class ReplayMiss(LookupError):
    """No settled call with these bytes is stored."""


class ReplayCalls:
    """Answers from `llm_calls`. Among calls of the same bytes, the one of the same cycle comes first."""

    def __init__(self, sessions: SessionFactory) -> None:
        self._sessions = sessions

    def call(
        self, provider: Provider, spec: CallSpec, understand: Callable[[dict[str, Any]], Understood[T]]
    ) -> Reply[T]:
        """The stored reply. Raises ReplayMiss; `provider` is never touched."""
        digest = sha256(spec.request)
        with self._sessions() as session:
            row = session.scalars(
                select(LlmCall)
                .where(LlmCall.request_sha256 == digest, LlmCall.purpose == spec.purpose, LlmCall.outcome != "reserved")
                .order_by((LlmCall.cycle_id == spec.cycle_id).desc().nulls_last(), LlmCall.id.desc())
                .limit(1)
            ).one_or_none()
        if row is None:
            raise ReplayMiss(f"no stored {spec.purpose} call answers request {digest[:12]}")
        if row.response is None:
            return Reply(None, row.outcome, row.error or "", row.id, 0)
        understood = understand(row.response)
        return Reply(understood.value, understood.outcome, understood.error or "", row.id, 0)


def replay_decision(sessions: SessionFactory, cycle_id: int) -> Decision:
    """The decision of a stored cycle, read again from the stored answer.

    Checks that the stored request still hashes to what was sent. Raises ReplayMiss when the cycle, its call or an
    answer is missing; an answer that was no decision is HOLD, as it was then.
    """
    with sessions() as session:
        cycle = session.get(DecisionCycle, cycle_id)
        row = session.scalars(
            select(LlmCall)
            .where(LlmCall.cycle_id == cycle_id, LlmCall.purpose == "decide", LlmCall.outcome != "reserved")
            .order_by(LlmCall.id.desc())
            .limit(1)
        ).one_or_none()
    if cycle is None or row is None:
        raise ReplayMiss(f"no stored decision call for cycle {cycle_id}")
    if sha256(row.request) != row.request_sha256:
        raise ReplayMiss(f"the stored request of call {row.id} is not the one that was sent")
    if row.response is None:
        return Decision.hold(cycle.inst_id, f"opus {row.outcome}: {row.error or ''}")
    understood = understand(row.response, lambda answer: to_decision(answer, cycle.inst_id))
    if understood.value is None:
        return Decision.hold(cycle.inst_id, f"opus {understood.outcome}: {understood.error}")
    return understood.value
