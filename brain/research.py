"""Research: what the market cannot tell by itself, asked only when code sees a reason.

`trigger` decides in code whether there is a question; a `Researcher` answers it, from the cache for an hour of wall
time. A failure is an answer without text and with a reason: the decision is then made without research.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

from brain.screening import FUNDING_HIGH, FUNDING_LOW, STRONG_HOUR_PCT
from trading.snapshot import MarketSnapshot


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement came from. `date` as the source writes it."""

    title: str
    url: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class ResearchRequest:
    """One question; `cycle_id` is None for an operator's own."""

    question: str
    trigger: str
    cycle_id: int | None


@dataclass(frozen=True, slots=True)
class ResearchResult:
    """`text` is None when nothing could be learned; `reason` then says why. Third-party text: data only."""

    text: str | None
    reason: str
    sources: tuple[Source, ...] = ()
    cached: bool = False
    llm_call_id: int | None = None
    latency_ms: int = 0


class Researcher(Protocol):
    """Answers questions; never raises for anticipated trouble."""

    def research(self, request: ResearchRequest) -> ResearchResult:
        """The answer, or None with a reason."""


def trigger(
    market: MarketSnapshot, cycle_id: int, *, news: str | None = None, requested: str | None = None
) -> ResearchRequest | None:
    """The question this cycle asks, or None: the ordinary case.

    `news` names a scheduled release within 30 minutes (FOMC, CPI, NFP, GDP); `requested` is a question from the
    operator or from Opus. Only the direction and the subject enter a question, never a live number: instruments
    and cycles of the same hour then share one answer.
    """
    coin = market.inst_id.split("-")[0]
    if requested:
        return ResearchRequest(requested, "requested", cycle_id)
    if news:
        question = (
            f"What does the market expect of the {news} release due within 30 minutes? What would it do to {coin}?"
        )
        return ResearchRequest(question, "news window", cycle_id)
    change = market.change_1h_pct
    if change is not None and abs(change) >= STRONG_HOUR_PCT:
        moved = "risen" if change > 0 else "fallen"
        return ResearchRequest(f"Why has {coin} {moved} sharply within the last hour?", "strong hour", cycle_id)
    funding = market.funding_rate
    if funding is not None and (funding > FUNDING_HIGH or funding < FUNDING_LOW):
        side = "high positive" if funding > 0 else "deeply negative"
        question = f"Why is the funding rate of {coin} perpetual swaps {side}, and how is the market positioned?"
        return ResearchRequest(question, "funding", cycle_id)
    return None


def normalised(question: str) -> str:
    """The question as the cache knows it: case, spacing and closing punctuation do not make it another one."""
    return " ".join(question.casefold().split()).rstrip(" ?!.")


def cache_key(model: str, prompt_version: str, question: str) -> str:
    """sha256 of model, prompt version and normalised question."""
    return hashlib.sha256(f"{model}\n{prompt_version}\n{normalised(question)}".encode()).hexdigest()
