"""A closed trade as learning sees it, and the sets of trades a rule or a lesson can be about.

R multiples are net of fees and funding; times are market time; hours, weekdays and sessions are those of the opening,
UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

SESSIONS = (("asia", 0, 7), ("europe", 7, 13), ("america", 13, 21), ("late", 21, 24))
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOLDING_TIMES = (("under 1 h", 1), ("1 to 4 h", 4), ("4 to 24 h", 24))
RULES = "rules:"


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One round trip. `source` names who stated `confidence`: `rules`, or model and prompt version.

    `hold_r` is what being long over the same hours would have brought, without costs, in the same units of risk.
    """

    trade_id: int
    inst_id: str
    side: str  # long | short
    strategy: str  # as the playbook calls it
    regime: str
    source: str
    opened_at: datetime
    closed_at: datetime
    net_pnl: Decimal
    r: Decimal | None
    hold_r: Decimal | None
    confidence: Decimal | None
    playbook_version: int | None

    @property
    def won(self) -> bool:
        return self.net_pnl > 0

    @property
    def session(self) -> str:
        return next(name for name, start, end in SESSIONS if start <= self.opened_at.hour < end)

    @property
    def weekday(self) -> str:
        return WEEKDAYS[self.opened_at.weekday()]

    @property
    def holding_time(self) -> str:
        hours = (self.closed_at - self.opened_at).total_seconds() / 3600
        return next((name for name, below in HOLDING_TIMES if hours < below), "a day or more")

    @property
    def confidence_bin(self) -> str:
        """The tenth of 0…1 the stated confidence lies in."""
        if self.confidence is None:
            return "not stated"
        low = min(int(self.confidence * 10), 9)
        return f"{low / 10:.1f} to {(low + 1) / 10:.1f}"


def strategy_name(stated: str | None) -> str:
    """The playbook's name of a strategy: the rules analyst writes `rules:momentum`."""
    return (stated or "").removeprefix(RULES) or "none"
