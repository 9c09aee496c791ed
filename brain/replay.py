"""Replay: what was answered then, answered again from the store, without network and without cost.

`ReplayCalls` takes the place of `ModelCalls`: the same analyst, given the same input, builds the same bytes and finds
its stored answer by their hash. A miss is refused, never asked anew.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select

from brain.calls import CallSpec, Provider, Reply, Understood
from brain.deadline import Connection
from brain.wire import sha256
from models import LlmCall
from models.session import SessionFactory

T = TypeVar("T")


class ReplayMiss(LookupError):
    """No settled call with these bytes is stored; `str()` says which part differs from the one that is."""


class NoNetwork:
    """The provider of a replay: there is none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, request: dict[str, Any], timeout_s: float, connection: Connection) -> Any:
        """Never called: a replay does not call out."""
        raise ReplayMiss("a replay does not call out")


class ReplayCalls:
    """Answers from `llm_calls`. Among calls of the same bytes, the one of the same cycle comes first."""

    def __init__(self, sessions: SessionFactory, purposes: tuple[str, ...] = ()) -> None:
        self._sessions = sessions
        self._purposes = purposes

    def call(
        self, provider: Provider, spec: CallSpec, understand: Callable[[dict[str, Any]], Understood[T]]
    ) -> Reply[T]:
        """The stored reply. Raises ReplayMiss; `provider` is never touched."""
        digest = sha256(spec.request)
        purposes = self._purposes or (spec.purpose,)
        with self._sessions() as session:
            row = session.scalars(
                select(LlmCall)
                .where(
                    LlmCall.request_sha256 == digest,
                    LlmCall.purpose.in_(purposes),
                    LlmCall.outcome != "reserved",
                )
                .order_by((LlmCall.cycle_id == spec.cycle_id).desc().nulls_last(), LlmCall.id.desc())
                .limit(1)
            ).one_or_none()
            if row is None:
                raise ReplayMiss(
                    f"no stored {spec.purpose} call answers request {digest[:12]}{self._difference(spec, session)}"
                )
        if sha256(row.request) != row.request_sha256:
            raise ReplayMiss(f"the stored request of call {row.id} is not the one that was sent")
        if row.response is None:
            return Reply(None, row.outcome, row.error or "", row.id, row.latency_ms or 0)
        understood = understand(row.response)
        return Reply(understood.value, understood.outcome, understood.error or "", row.id, row.latency_ms or 0)

    def _difference(self, spec: CallSpec, session: Any) -> str:
        """Where the request differs from the one this cycle made, in words."""
        if spec.cycle_id is None:
            return ""
        then = session.scalars(
            select(LlmCall)
            .where(LlmCall.cycle_id == spec.cycle_id, LlmCall.purpose == spec.purpose)
            .order_by(LlmCall.id.desc())
            .limit(1)
        ).one_or_none()
        if then is None:
            return f": cycle {spec.cycle_id} made none"
        where = first_difference(then.request, spec.request)
        return f": it differs from call {then.id} at {where} (prompt {then.prompt_version}, now {spec.prompt_version})"


def first_difference(then: Any, now: Any, where: str = "") -> str:
    """The first place where two JSON values differ, e.g. `messages.0.content, line 3`."""
    if isinstance(then, dict) and isinstance(now, dict):
        names = sorted(then.keys() | now.keys())
        name = next((n for n in names if then.get(n) != now.get(n)), None)
        return where if name is None else first_difference(then.get(name), now.get(name), f"{where}.{name}".lstrip("."))
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        index = next((i for i, (a, b) in enumerate(zip(then, now, strict=True)) if a != b), None)
        return where if index is None else first_difference(then[index], now[index], f"{where}.{index}")
    if isinstance(then, str) and isinstance(now, str):
        lines = zip(then.splitlines(), now.splitlines(), strict=False)
        line = next((n for n, (a, b) in enumerate(lines, 1) if a != b), None)
        return where if line is None else f"{where}, line {line}"
    return where
