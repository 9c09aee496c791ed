"""Opus decides: one structured answer within one budget of time, or HOLD with the reason.

The request asks for the API's own structured output; nothing is scraped. Refusal, truncation, an answer that breaks
the schema or is about another instrument, a silent API and a spent budget all end as HOLD. Nothing is retried after
an answer: a second opinion would be bought until it pleases.
"""

from typing import Any

from brain.analyst import DecisionRequest, DecisionResult
from brain.calls import Calls, CallSpec, ModelCalls, Provider
from brain.claude.answer import understand
from brain.claude.client import AnthropicProvider
from brain.claude.decision_schema import to_decision, wire_schema
from brain.ledger import Ledger
from brain.prompts.decision import VERSION, system_blocks, user_text
from brain.wire import storable
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock


class OpusAnalyst:
    """The `claude` analyst."""

    name = "claude"

    def __init__(self, settings: Settings, provider: Provider, calls: Calls) -> None:
        self._settings = settings
        self._provider = provider
        self._calls = calls

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "OpusAnalyst":
        """Talking to the real API. Raises ValueError without a key."""
        if settings.anthropic_api_key is None:
            raise ValueError("ANTHROPIC_API_KEY is required by the claude analyst")
        provider = AnthropicProvider(settings.anthropic_api_key, settings.anthropic_base_url)
        return cls(settings, provider, ModelCalls(Ledger(sessions, clock, account_id, settings.llm_daily_budget_usd)))

    def decide(self, request: DecisionRequest) -> DecisionResult:
        """Ask Opus about `request.market.inst_id`."""
        inst_id = request.market.inst_id
        reply = self._calls.call(
            self._provider,
            CallSpec(
                purpose="decide", cycle_id=request.cycle_id, prompt_version=VERSION, request=self.body(request),
                max_output_tokens=self._settings.opus_max_tokens, budget_s=self._settings.opus_budget_s,
            ),
            lambda body: understand(body, lambda answer: to_decision(answer, inst_id)),
        )  # fmt: skip
        if reply.value is None:
            reason = reply.reason if reply.outcome == "budget" else f"opus {reply.outcome}: {reply.reason}"
            return DecisionResult.hold(inst_id, reason, llm_call_id=reply.call_id, latency_ms=reply.latency_ms)
        return DecisionResult(reply.value, "decided", reply.value.reasoning, reply.call_id, reply.latency_ms)

    def body(self, request: DecisionRequest) -> dict[str, Any]:
        """The request as sent and stored: the same input gives the same bytes."""
        settings = self._settings
        body: dict[str, Any] = storable(
            {
                "model": settings.opus_model,
                "max_tokens": settings.opus_max_tokens,
                "system": system_blocks(settings, request.playbook, request.playbook_version),
                "messages": [{"role": "user", "content": user_text(request)}],
                "output_config": {
                    "effort": settings.opus_effort,
                    "format": {"type": "json_schema", "schema": wire_schema(settings.instruments)},
                },
            }
        )
        return body
