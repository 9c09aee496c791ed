"""The built-in rules behind the analyst interface: no model, no network, no cost."""

from time import monotonic

from brain.analyst import DecisionRequest, DecisionResult
from brain.rules import decide
from trading.playbook import Playbook


class RulesAnalyst:
    """Decides by `brain.rules` from the same snapshot as Claude. Deterministic; has no failure of its own."""

    name = "rules"

    def decide(self, request: DecisionRequest) -> DecisionResult:
        """The rules' decision; its reasoning is the reason."""
        started = monotonic()
        decision = decide(request.market, request.account, request.playbook, request.history)
        return DecisionResult(decision, "decided", decision.reasoning, latency_ms=round((monotonic() - started) * 1000))

    def keep(self, cycle_id: int, playbook: Playbook, playbook_version: int) -> None:
        """There is nothing to keep."""
