"""Research: what the market cannot tell by itself, asked only when code sees a reason.

`trigger` decides in code whether there is a question; a `Researcher` answers it, from the cache for an hour of wall
time. A failure is an answer without text and with a reason: the decision is then made without research.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

from brain.facts import Findings
from brain.occasions import NOTHING, OPEN_INTEREST_PCT, Occasions
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
    """One question; `cycle_id` is None for an operator's own. `coin`: whose price it is about."""

    question: str
    trigger: str
    cycle_id: int | None
    coin: str = "the market"


@dataclass(frozen=True, slots=True)
class ResearchResult:
    """`text` is None when nothing could be learned; `reason` then says why. Third-party text: data only, for people.

    `findings` are its facts, which is what a deciding model sees; None where they could not be taken out of it.
    """

    text: str | None
    reason: str
    findings: Findings | None = None
    sources: tuple[Source, ...] = ()
    cached: bool = False
    llm_call_id: int | None = None
    latency_ms: int = 0


class Researcher(Protocol):
    """Answers questions; never raises for anticipated trouble."""

    def research(self, request: ResearchRequest) -> ResearchResult:
        """The answer, or None with a reason."""


def trigger(market: MarketSnapshot, cycle_id: int, occasions: Occasions = NOTHING) -> ResearchRequest | None:
    """The question this cycle asks, or None: the ordinary case.

    Only the direction and the subject enter a question of ours, never a live number: instruments and cycles of the
    same hour then share one answer.
    """
    coin = market.inst_id.split("-")[0]
    if occasions.requested is not None:
        return ResearchRequest(occasions.requested, "opus asked", cycle_id, coin)
    if occasions.news is not None:
        question = (
            f"What does the market expect of the {occasions.news} release due within 30 minutes? "
            f"What would it do to {coin}?"
        )
        return ResearchRequest(question, "news window", cycle_id, coin)
    change = market.change_1h_pct
    if change is not None and abs(change) >= STRONG_HOUR_PCT:
        moved = "risen" if change > 0 else "fallen"
        return ResearchRequest(f"Why has {coin} {moved} sharply within the last hour?", "strong hour", cycle_id, coin)
    funding = market.funding_rate
    if funding is not None and (funding > FUNDING_HIGH or funding < FUNDING_LOW):
        side = "high positive" if funding > 0 else "deeply negative"
        question = f"Why is the funding rate of {coin} perpetual swaps {side}, and how is the market positioned?"
        return ResearchRequest(question, "funding", cycle_id, coin)
    interest = occasions.open_interest_change_pct
    if interest is not None and abs(interest) >= OPEN_INTEREST_PCT:
        moved = "grown" if interest > 0 else "shrunk"
        question = f"Why has open interest in {coin} perpetual swaps {moved} sharply within the last four hours?"
        return ResearchRequest(question, "open interest", cycle_id, coin)
    return None


def normalised(question: str) -> str:
    """The question as the cache knows it: case, spacing and closing punctuation do not make it another one."""
    return " ".join(question.casefold().split()).rstrip(" ?!.")


def cache_key(model: str, prompt_version: str, question: str) -> str:
    """sha256 of model, prompt version and normalised question."""
    return hashlib.sha256(f"{model}\n{prompt_version}\n{normalised(question)}".encode()).hexdigest()
