"""Screening: is there anything here worth asking Opus about?

The bypasses are code: an open position, a release that is due, a question of Opus's own, a strong hour or extreme
funding goes straight through, unasked. A screener that fails lets the signal pass (fail-open): that can cost money for
a model call, never risk, for the gate decides. A small share of what is screened out goes to Opus all the same, so that
misses are known and not guessed (`audited`).
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from brain.occasions import NOTHING, Occasions
from models import ScreenerLog
from trading.snapshot import AccountSnapshot, MarketSnapshot

STRONG_HOUR_PCT = 3.0
FUNDING_HIGH = Decimal("0.0005")
FUNDING_LOW = Decimal("-0.0003")


@dataclass(frozen=True, slots=True)
class ScreenRequest:
    """What is screened."""

    cycle_id: int
    market: MarketSnapshot
    account: AccountSnapshot
    occasions: Occasions = NOTHING


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """What the screener said. `confidence` is 0…1, None when nobody was asked or nobody answered.

    `screener` is `haiku` where Haiku was asked, whether it answered or not; `none` where it was not.
    """

    screener: str  # haiku | none
    passed: bool
    reason: str
    bypass: str | None = None
    fail_open: bool = False
    audited: bool = False
    confidence: Decimal | None = None
    llm_call_id: int | None = None
    latency_ms: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether Opus is asked."""
        return self.passed or self.audited

    def log_row(self, account_id: int, cycle_id: int) -> ScreenerLog:
        """The row of the screener's log, to be added in the stage's own transaction."""
        return ScreenerLog(
            account_id=account_id, cycle_id=cycle_id, screener=self.screener, passed=self.passed, bypass=self.bypass,
            fail_open=self.fail_open, audited=self.audited, confidence=self.confidence, reason=self.reason,
            llm_call_id=self.llm_call_id,
        )  # fmt: skip


class Screener(Protocol):
    """Screens one instrument at one slot; never raises for anticipated trouble."""

    def screen(self, request: ScreenRequest) -> ScreenResult:
        """Pass or not; fail-open."""


def is_audited(cycle_id: int, share_pct: Decimal) -> bool:
    """Whether this cycle, screened out, is of the sample that goes on. The same cycle gives the same answer."""
    return int(hashlib.sha256(f"audit {cycle_id}".encode()).hexdigest()[:8], 16) % 10_000 < share_pct * 100


def bypass(market: MarketSnapshot, account: AccountSnapshot, occasions: Occasions = NOTHING) -> str | None:
    """Why this must reach Opus without being screened, or None. Unknown positions count as a reason."""
    if account.positions is None:
        return "positions not known"
    if account.position(market.inst_id) is not None:
        return "open position"
    if occasions.news is not None:
        return f"{occasions.news} is due within 30 minutes"
    if occasions.requested is not None:
        return "Opus asked a question"
    change = market.change_1h_pct
    if change is not None and abs(change) >= STRONG_HOUR_PCT:
        return f"moved {change:+.2f} % in an hour"
    funding = market.funding_rate
    if funding is not None and (funding > FUNDING_HIGH or funding < FUNDING_LOW):
        return f"funding {funding * 100:+.4f} %"
    return None
