"""Opus decides: one structured answer within one budget of time, or HOLD with the reason.

The request asks for the API's own structured output; nothing is scraped. Refusal, truncation, an answer that breaks
the schema or is about another instrument, a silent API and a spent budget all end as HOLD. Nothing is retried after
an answer: a second opinion would be bought until it pleases.
"""

from decimal import Decimal
from typing import Any, Literal

from brain.analyst import DecisionRequest, DecisionResult, trade_row
from brain.calls import Calls, CallSpec, Provider, Understood
from brain.claude.answer import understand, usage_of
from brain.claude.asking import api, body_of
from brain.claude.decision_schema import Offer, to_decision, wire_schema
from brain.prompts.decision import DecisionPrompts
from brain.terms import Terms
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock
from trading.playbook import Playbook

KEEPING, KEEP_WITHIN_S = "Nothing is asked.", 5.0


class OpusAnalyst:
    """The `claude` analyst."""

    name = "claude"

    def __init__(
        self,
        terms: Terms,
        provider: Provider,
        calls: Calls,
        *,
        budget_s: float,
        prompts: DecisionPrompts | None = None,
        purpose: Literal["decide", "whatif"] = "decide",
    ) -> None:
        self._terms = terms
        self._provider = provider
        self._calls = calls
        self._budget_s = budget_s
        self._prompts = prompts or DecisionPrompts.current()
        self._purpose = purpose

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "OpusAnalyst":
        """Talking to the real API. Raises ValueError without a key."""
        return cls(Terms.of(settings), *api(settings, sessions, clock, account_id), budget_s=settings.opus_budget_s)

    def decide(self, request: DecisionRequest) -> DecisionResult:
        """Ask Opus about `request.market.inst_id`."""
        inst_id = request.market.inst_id
        offer = Offer(inst_id, Decimal(self._terms.limits["max_trade_margin_pct"]), request.market.frames)
        considered = {
            "terms": self._terms.model_dump(mode="json"),
            "prompt_version": self._prompts.version,
            "recent_trades": [trade_row(trade) for trade in request.recent_trades],
            "language": request.language,
        }
        reply = self._calls.call(
            self._provider,
            CallSpec(
                purpose=self._purpose, cycle_id=request.cycle_id, prompt_version=self._prompts.version,
                request=self.body(request), max_output_tokens=self._terms.max_tokens, budget_s=self._budget_s,
            ),
            lambda body: understand(body, lambda answer: to_decision(answer, offer)),
        )  # fmt: skip
        if reply.value is None:
            reason = reply.reason if reply.outcome == "budget" else f"opus {reply.outcome}: {reply.reason}"
            return DecisionResult.hold(
                inst_id, reason, llm_call_id=reply.call_id, latency_ms=reply.latency_ms, considered=considered,
                budget_spent=reply.outcome == "budget",
            )  # fmt: skip
        return DecisionResult(
            reply.value, "decided", reply.value.reasoning, reply.call_id, reply.latency_ms, considered
        )

    def keep(self, cycle_id: int, playbook: Playbook, playbook_version: int) -> None:
        """Have the API read rules and playbook in its cache, which renews them, and answer nothing.

        Written anew they cost forty times as much. Whatever goes wrong, the next decision costs a little more.
        """
        self._calls.call(
            self._provider,
            CallSpec(
                purpose="keep", cycle_id=cycle_id, prompt_version=self._prompts.version,
                request=self._request(playbook, playbook_version, user=KEEPING, max_tokens=0), max_output_tokens=0,
                budget_s=KEEP_WITHIN_S, tries=1,
            ),
            lambda body: Understood("ok", True, None, usage_of(body)),
        )  # fmt: skip

    def body(self, request: DecisionRequest) -> dict[str, Any]:
        """The request as sent and stored: the same input gives the same bytes."""
        user = self._prompts.user_blocks(request)
        return self._request(request.playbook, request.playbook_version, user=user, max_tokens=self._terms.max_tokens)

    def _request(self, playbook: Playbook, version: int, *, user: Any, max_tokens: int) -> dict[str, Any]:
        terms = self._terms
        return body_of(
            model=terms.model, max_tokens=max_tokens, effort=terms.effort,
            system=self._prompts.system_blocks(terms, playbook, version), user=user,
            schema=wire_schema(terms.instruments),
        )  # fmt: skip
