"""The interface every analyst stands behind: one request in, one decision out, whoever thinks.

Contract: `decide` never raises for anticipated trouble (a model that is slow, refuses, answers nonsense, or may not
be asked). It answers HOLD with the reason, and `outcome` says that nobody decided. Latency is in wall milliseconds.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from trading.decision import Decision
from trading.playbook import Playbook
from trading.snapshot import AccountSnapshot, History, MarketSnapshot


@dataclass(frozen=True, slots=True)
class RecentTrade:
    """One closed trade as an analyst is shown it. `pnl` in USDT net of fees and funding; times are market time."""

    trade_id: int
    inst_id: str
    direction: str  # long | short
    strategy: str
    opened_at: datetime
    closed_at: datetime
    pnl: Decimal
    r_multiple: Decimal | None
    exit_reason: str


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """Everything a decision rests on. `research` is third-party text: data, never instruction."""

    cycle_id: int
    market: MarketSnapshot
    account: AccountSnapshot
    history: History
    playbook: Playbook
    playbook_version: int
    research: str | None = None
    recent_trades: tuple[RecentTrade, ...] = ()
    language: str = "English"


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What came back.

    `decided`: the analyst answered (its answer may be HOLD). `hold`: it did not, and `reason` says why.
    """

    decision: Decision
    outcome: Literal["decided", "hold"]
    reason: str
    llm_call_id: int | None = None
    latency_ms: int = 0

    @classmethod
    def hold(
        cls, inst_id: str, reason: str, *, llm_call_id: int | None = None, latency_ms: int = 0
    ) -> "DecisionResult":
        """Nobody decided: HOLD, and why."""
        return cls(Decision.hold(inst_id, reason), "hold", reason, llm_call_id, latency_ms)


class Analyst(Protocol):
    """Decides about one instrument at one slot."""

    @property
    def name(self) -> str:
        """`rules` or `claude`: shown wherever a decision is shown."""

    def decide(self, request: DecisionRequest) -> DecisionResult:
        """One decision, or HOLD with the reason."""
