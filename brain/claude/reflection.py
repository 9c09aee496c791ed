"""Opus reflects: one structured answer within one budget of time and money, or none with the reason.

The same calls as a decision (`brain.calls`), on the record and within the day's budget, but with more time: nobody
waits for it. What the answer proposes is judged by `trading.playbook.validation`, never here.
"""

from typing import Any

from brain.calls import Calls, CallSpec, Provider
from brain.claude.answer import understand
from brain.claude.asking import api, body_of
from brain.claude.patch_schema import SCHEMA, to_patch
from brain.prompts.reflection import VERSION, system_text, user_text
from brain.reflection import ReflectionRequest, ReflectionResult
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock

EFFORT = "high"


class OpusReflector:
    """The reflector of the `claude` analyst."""

    def __init__(self, settings: Settings, provider: Provider, calls: Calls) -> None:
        self._settings = settings
        self._provider = provider
        self._calls = calls

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "OpusReflector":
        """Talking to the real API. Raises ValueError without a key."""
        return cls(settings, *api(settings, sessions, clock, account_id))

    @property
    def name(self) -> str:
        return self._settings.opus_model

    def reflect(self, request: ReflectionRequest) -> ReflectionResult:
        """Ask Opus what the trades teach."""
        reply = self._calls.call(
            self._provider,
            CallSpec(
                purpose="reflect", cycle_id=None, prompt_version=VERSION, request=self.body(request),
                max_output_tokens=self._settings.reflection_max_tokens, budget_s=self._settings.reflection_budget_s,
            ),
            lambda body: understand(body, to_patch),
        )  # fmt: skip
        if reply.value is None:
            reason = reply.reason if reply.outcome == "budget" else f"opus {reply.outcome}: {reply.reason}"
            return ReflectionResult(None, reason, reply.call_id)
        patch, unreadable = reply.value
        return ReflectionResult(patch, "", reply.call_id, unreadable)

    def body(self, request: ReflectionRequest) -> dict[str, Any]:
        """The request as sent and stored. Hours apart: nothing in it is worth caching."""
        return body_of(
            model=self._settings.opus_model, max_tokens=self._settings.reflection_max_tokens, effort=EFFORT,
            system=system_text(), user=user_text(request), schema=SCHEMA,
        )  # fmt: skip
