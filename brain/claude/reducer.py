"""Haiku takes the facts out of a research answer, so that Opus never reads a stranger's prose.

The reader of hostile text has nothing to give away and nothing to do: no tools, no figures of the account, an answer by
schema, cut to size afterwards. Failing in any way gives no facts, and Opus decides without research.
"""

import json
from typing import Any

from brain.calls import Calls, CallSpec, Provider
from brain.claude.answer import understand
from brain.claude.asking import api, body_of
from brain.facts import DIRECTIONS, KINDS, MAX_FACTS, Fact, Findings, plain
from brain.prompts import load
from brain.research import ResearchRequest, Source
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock

VERSION = f"{load('facts_system').version}+{load('facts_user').version}"
MAX_TOKENS = 2500

_FACT = {
    "type": "object",
    "properties": {
        "statement": {"type": "string"},
        "kind": {"type": "string", "enum": list(KINDS)},
        "direction": {"type": "string", "enum": list(DIRECTIONS)},
        "at": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "source": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["statement", "kind", "direction", "at", "source"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": _FACT}, "instructions_found": {"type": "boolean"}},
    "required": ["facts", "instructions_found"],
    "additionalProperties": False,
}


class FactReducer:
    """Reads research for the `claude` analyst."""

    def __init__(self, settings: Settings, provider: Provider, calls: Calls) -> None:
        self._settings = settings
        self._provider = provider
        self._calls = calls

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "FactReducer":
        """Talking to the real API. Raises ValueError without a key."""
        return cls(settings, *api(settings, sessions, clock, account_id))

    def reduce(self, request: ResearchRequest, text: str, sources: tuple[Source, ...]) -> tuple[Findings | None, str]:
        """The facts, or None and why there are none."""
        reply = self._calls.call(
            self._provider,
            CallSpec(
                purpose="reduce", cycle_id=request.cycle_id, prompt_version=VERSION,
                request=self.body(request, text, sources), max_output_tokens=MAX_TOKENS,
                budget_s=self._settings.haiku_budget_s,
            ),
            lambda body: understand(body, lambda answer: findings_of(answer, request.question)),
        )  # fmt: skip
        if reply.value is None:
            return None, f"its facts could not be read: {reply.outcome}: {reply.reason}"
        return reply.value, request.trigger

    def body(self, request: ResearchRequest, text: str, sources: tuple[Source, ...]) -> dict[str, Any]:
        """The request as sent and stored. The text stands in the user's turn, as one JSON string."""
        titles = [{"number": n, "title": plain(s.title), "date": s.date} for n, s in enumerate(sources, 1)]
        quoted = {"question": request.question, "sources": titles, "answer": text}
        return body_of(
            model=self._settings.haiku_model, max_tokens=MAX_TOKENS, effort="low", schema=SCHEMA,
            system=load("facts_system").fill(coin=request.coin, max_facts=str(MAX_FACTS)),
            user=load("facts_user").fill(**{n: json.dumps(v, ensure_ascii=False) for n, v in quoted.items()}),
        )  # fmt: skip


def findings_of(answer: dict[str, Any], question: str) -> Findings:
    """Findings from a model's JSON. Raises ValueError; facts beyond the eighth are dropped, as the prompt says."""
    if set(answer) != {"facts", "instructions_found"} or not isinstance(answer["facts"], list):
        raise ValueError("the answer breaks the schema: facts and instructions_found are asked for, nothing else")
    facts = tuple(Fact.model_validate(fact) for fact in answer["facts"][:MAX_FACTS])
    return Findings(
        question=plain(question),
        facts=tuple(fact for fact in facts if fact.statement),
        instructions_found=bool(answer["instructions_found"]),
    )
