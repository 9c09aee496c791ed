"""Research by Perplexity: an answer with its sources, kept an hour for everyone who asks the same.

Failure of any kind is a result without text: decisions are then made without research. An answer longer than asked
for is cut, marked so. Its prose is for people; for a decision the reducer takes typed facts out of it, kept with it.
"""

import json
import re
from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update

from brain.calls import Calls, CallSpec, ModelCalls, Provider, Understood
from brain.claude.reducer import FactReducer
from brain.costs import MOST_USD, TokenCount, Usage
from brain.facts import Findings
from brain.ledger import Ledger
from brain.perplexity_client import PerplexityProvider
from brain.prompts import load
from brain.research import ResearchRequest, ResearchResult, Source, cache_key
from brain.wire import storable
from models import ResearchEntry
from models.session import SessionFactory
from settings import Settings
from trading.clock import Clock

VERSION = load("research_system").version
KEPT = timedelta(hours=1)
MAX_TOKENS = 800
MAX_CHARS = 4000
LINK = re.compile(r"https?://[^\s)\]>]+")


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Cost(_Lenient):
    total_cost: float = Field(ge=0, le=MOST_USD)


class _Usage(_Lenient):
    prompt_tokens: TokenCount
    completion_tokens: TokenCount
    cost: _Cost | None = None


class _Text(_Lenient):
    content: str


class _Choice(_Lenient):
    message: _Text
    finish_reason: str | None = None


class _Found(_Lenient):
    title: str
    url: str
    date: str | None = None


class _Completion(_Lenient):
    choices: tuple[_Choice, ...]
    search_results: tuple[_Found, ...] | None = None
    citations: tuple[str, ...] | None = None


class _Metered(_Lenient):
    usage: _Usage


class _Answer(_Lenient):
    text: str
    sources: tuple[Source, ...]


class PerplexityResearcher:
    """Asks within the deadline; the cache first. Cache and deadline are wall time."""

    def __init__(
        self,
        settings: Settings,
        sessions: SessionFactory,
        clock: Clock,
        provider: Provider,
        calls: Calls,
        reducer: FactReducer | None = None,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._provider = provider
        self._calls = calls
        self._reducer = reducer

    @classmethod
    def from_settings(
        cls, settings: Settings, sessions: SessionFactory, clock: Clock, account_id: int
    ) -> "PerplexityResearcher":
        """Talking to the real API. Raises ValueError without a key."""
        if settings.perplexity_api_key is None:
            raise ValueError("PERPLEXITY_API_KEY is required for research")
        provider = PerplexityProvider(settings.perplexity_api_key, settings.perplexity_base_url)
        calls = ModelCalls(Ledger(sessions, clock, account_id, settings.llm_daily_budget_usd))
        reads = settings.anthropic_api_key is not None
        reducer = FactReducer.from_settings(settings, sessions, clock, account_id) if reads else None
        return cls(settings, sessions, clock, provider, calls, reducer)

    def research(self, request: ResearchRequest) -> ResearchResult:
        """The answer to the question, from the cache or asked anew."""
        started = monotonic()
        key = cache_key(self._settings.perplexity_model, VERSION, request.question)
        entry = self._cached(key)
        cached = entry is not None
        call_id = entry.llm_call_id if entry is not None else None
        if entry is None:
            reply = self._calls.call(
                self._provider,
                CallSpec(
                    purpose="research", cycle_id=request.cycle_id, prompt_version=VERSION,
                    request=self.body(request.question), max_output_tokens=MAX_TOKENS,
                    budget_s=self._settings.perplexity_budget_s,
                ),
                _understand,
            )  # fmt: skip
            if reply.value is None:
                reason = f"no research: {reply.outcome}: {reply.reason}"
                return ResearchResult(None, reason, llm_call_id=reply.call_id, latency_ms=reply.latency_ms)
            call_id = reply.call_id
            entry = self._keep(key, request.question, reply.value, call_id)
        sources = tuple(Source(**source) for source in entry.sources)
        findings, reason = self._reduced(entry, request, sources)
        took = round((monotonic() - started) * 1000)
        return ResearchResult(entry.answer, reason, findings, sources, cached, call_id, took)

    def _reduced(
        self, entry: ResearchEntry, request: ResearchRequest, sources: tuple[Source, ...]
    ) -> tuple[Findings | None, str]:
        """The facts of an answer, taken out once. An operator reads the answer itself."""
        if self._reducer is None or request.cycle_id is None:
            return None, request.trigger
        if entry.reduced is not None:
            return Findings.model_validate_json(json.dumps(entry.reduced)), request.trigger
        findings, reason = self._reducer.reduce(request, entry.answer, sources)
        if findings is not None:
            with self._sessions.begin() as session:
                session.execute(
                    update(ResearchEntry)
                    .where(ResearchEntry.id == entry.id)
                    .values(reduced=findings.model_dump(mode="json"))
                )
        return findings, reason

    def _keep(self, key: str, question: str, answer: "_Answer", call_id: int | None) -> ResearchEntry:
        entry = ResearchEntry(
            key=key,
            question=str(storable(question)),
            answer=answer.text,
            sources=[{"title": s.title, "url": s.url, "date": s.date} for s in answer.sources],
            llm_call_id=call_id,
            created_at=self._clock.wall_now(),
        )
        with self._sessions.begin() as session:
            session.add(entry)
            session.flush()
            session.expunge(entry)
        return entry

    def body(self, question: str) -> dict[str, Any]:
        """The request as sent and stored."""
        body: dict[str, Any] = storable(
            {
                "model": self._settings.perplexity_model,
                "max_tokens": MAX_TOKENS,
                "messages": [
                    {"role": "system", "content": load("research_system").text},
                    {"role": "user", "content": question},
                ],
                "search_recency_filter": "day",
                "web_search_options": {"search_context_size": "low"},
            }
        )
        return body

    def _cached(self, key: str) -> ResearchEntry | None:
        with self._sessions() as session:
            return session.scalars(
                select(ResearchEntry)
                .where(ResearchEntry.key == key, ResearchEntry.created_at > self._clock.wall_now() - KEPT)
                .order_by(ResearchEntry.id.desc())
                .limit(1)
            ).one_or_none()


def _understand(body: dict[str, Any]) -> Understood[_Answer]:
    usage = _usage(body)
    try:
        completion = _Completion.model_validate(body)
    except ValidationError:
        return Understood("invalid", None, "the API's answer is not a completion", usage)
    if len(completion.choices) != 1 or not completion.choices[0].message.content.strip():
        return Understood("invalid", None, "the answer is empty", usage)
    choice = completion.choices[0]
    text = LINK.sub("[link]", choice.message.content.strip())
    if choice.finish_reason == "length" or len(text) > MAX_CHARS:
        text = text[:MAX_CHARS] + " [cut off]"
    found = completion.search_results or tuple(_Found(title="", url=url) for url in completion.citations or ())
    sources = tuple(Source(f.title[:300], f.url[:1000], f.date) for f in found)
    return Understood("ok", _Answer(text=text, sources=sources), None, usage)


def _usage(body: dict[str, Any]) -> Usage | None:
    try:
        usage = _Metered.model_validate(body).usage
    except ValidationError:
        return None
    reported = None if usage.cost is None else Decimal(repr(usage.cost.total_cost))
    return Usage(input=usage.prompt_tokens, output=usage.completion_tokens, reported_usd=reported)
