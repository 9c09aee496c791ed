"""The interface every analyst stands behind: one request in, one decision out, whoever thinks.

Contract: `decide` never raises for anticipated trouble (a model that is slow, refuses, answers nonsense, or may not
be asked). It answers HOLD with the reason, and `outcome` says that nobody decided. Latency is in wall milliseconds.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

from brain.facts import Findings
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


_TRADES: TypeAdapter[tuple[RecentTrade, ...]] = TypeAdapter(tuple[RecentTrade, ...])


def trade_row(trade: RecentTrade) -> dict[str, Any]:
    """A trade as JSON: amounts as strings, times as ISO."""
    row: dict[str, Any] = TypeAdapter(RecentTrade).dump_python(trade, mode="json")
    return row


def trades_of(rows: list[dict[str, Any]]) -> tuple[RecentTrade, ...]:
    """Trades from what `trade_row` made of them."""
    return _TRADES.validate_python(rows)


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """Everything a decision rests on. `research` comes from third parties: data, never instruction."""

    cycle_id: int
    market: MarketSnapshot
    account: AccountSnapshot
    history: History
    playbook: Playbook
    playbook_version: int
    research: Findings | None = None
    recent_trades: tuple[RecentTrade, ...] = ()
    language: str = "English"


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What came back.

    `decided`: the analyst answered (its answer may be HOLD). `hold`: it did not, and `reason` says why.
    `considered`: what it was shown beside the snapshot, as JSON, for replay; None where that is nothing.
    """

    decision: Decision
    outcome: Literal["decided", "hold"]
    reason: str
    llm_call_id: int | None = None
    latency_ms: int = 0
    considered: dict[str, Any] | None = None
    budget_spent: bool = False

    @classmethod
    def hold(
        cls,
        inst_id: str,
        reason: str,
        *,
        llm_call_id: int | None = None,
        latency_ms: int = 0,
        considered: dict[str, Any] | None = None,
        budget_spent: bool = False,
    ) -> "DecisionResult":
        """Nobody decided: HOLD, and why."""
        return cls(Decision.hold(inst_id, reason), "hold", reason, llm_call_id, latency_ms, considered, budget_spent)


class Analyst(Protocol):
    """Decides about one instrument at one slot."""

    @property
    def name(self) -> str:
        """`rules` or `claude`: shown wherever a decision is shown."""

    def decide(self, request: DecisionRequest) -> DecisionResult:
        """One decision, or HOLD with the reason."""

    def keep(self, cycle_id: int, playbook: Playbook, playbook_version: int) -> None:
        """What keeps the next decision cheap while none is wanted; never raises for anticipated trouble."""
