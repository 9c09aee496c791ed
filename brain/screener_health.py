"""Whether Haiku can be relied on, read from the screener's own log: its breaker and its alarm.

After five failures in a row nobody asks Haiku for two minutes of wall time: candles pass at once instead of after six
seconds each. Then one is asked, and the next answer closes the breaker. The alarm is for people: a screener that lets
everything pass costs the day's budget.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import ScreenerLog

FAILURES = 5
PAUSE = timedelta(minutes=2)
ALARM_WINDOW = timedelta(hours=1)
ALARM_SHARE = 0.2
ALARM_LEAST = 10


@dataclass(frozen=True, slots=True)
class ScreenerHealth:
    """`in_a_row`: failures since Haiku's last answer, counted up to `FAILURES`. Share: of the last hour."""

    in_a_row: int
    last_asked_at: datetime | None
    asked: int
    failed: int
    # The newest answer is the first after `FAILURES` failures.
    recovered: bool

    def is_open(self, wall_now: datetime) -> bool:
        """Whether the breaker keeps Haiku from being asked now."""
        return self.in_a_row >= FAILURES and self.last_asked_at is not None and wall_now - self.last_asked_at < PAUSE

    @property
    def alarm(self) -> str | None:
        """Why a person should look, or None."""
        if self.in_a_row >= FAILURES:
            return f"haiku has not answered {self.in_a_row} times in a row: candles pass unscreened to Opus"
        if self.asked >= ALARM_LEAST and self.failed >= ALARM_SHARE * self.asked:
            return f"haiku failed {self.failed} of {self.asked} times within an hour: those candles passed unscreened"
        return None


def screener_health(session: Session, account_id: int, wall_now: datetime) -> ScreenerHealth:
    """From the rows where Haiku was asked."""
    asked = (ScreenerLog.account_id == account_id, ScreenerLog.screener == "haiku")
    last = session.execute(
        select(ScreenerLog.fail_open, ScreenerLog.created_at)
        .where(*asked)
        .order_by(ScreenerLog.id.desc())
        .limit(FAILURES + 1)
    ).all()
    count, failed = session.execute(
        select(func.count(), func.count().filter(ScreenerLog.fail_open)).where(
            *asked, ScreenerLog.created_at > wall_now - ALARM_WINDOW
        )
    ).one()
    in_a_row = min(FAILURES, next((n for n, row in enumerate(last) if not row.fail_open), len(last)))
    recovered = len(last) > FAILURES and in_a_row == 0 and all(row.fail_open for row in last[1:])
    return ScreenerHealth(in_a_row, last[0].created_at if last else None, count, failed, recovered)
