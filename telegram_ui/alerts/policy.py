"""Which alerts go now, together or alone: severity, cooldown per kind, quiet hours, storms. Pure; wall time.

CRITICAL goes at once, at any hour; repeats of one kind in one instrument within a minute go together. WARN of one kind
goes once a cooldown. INFO goes as it comes. In quiet hours WARN and INFO wait. More than five messages at once are one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

SEVERITIES = ("INFO", "WARN", "CRITICAL")
CRITICAL_COOLDOWN = timedelta(seconds=60)
STORM = 5

Key = tuple[str, str]  # kind, and the instrument of a CRITICAL


@dataclass(frozen=True, slots=True)
class Pending:
    """An alert a chat has not seen. `again`: it was being sent once, and nobody knows whether it was shown."""

    id: int
    kind: str
    severity: str
    inst_id: str | None
    created_at: datetime
    again: bool = False

    @property
    def key(self) -> Key:
        return self.kind, (self.inst_id or "") if self.severity == "CRITICAL" else ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Alerts that make one message. A digest mixes kinds."""

    alerts: tuple[Pending, ...]
    digest: bool = False

    @property
    def severity(self) -> str:
        return max((a.severity for a in self.alerts), key=SEVERITIES.index)


def plan(
    pending: Sequence[Pending], last_sent: Mapping[Key, datetime], now: datetime, *, quiet: bool, cooldown: timedelta
) -> list[Batch]:
    """Messages to send now, the most severe first; what is in none of them waits."""
    critical: dict[Key, list[Pending]] = {}
    warnings: dict[Key, list[Pending]] = {}
    news: list[Batch] = []
    for alert in pending:
        wait = CRITICAL_COOLDOWN if alert.severity == "CRITICAL" else cooldown
        cooling = alert.key in last_sent and now - last_sent[alert.key] < wait
        if alert.severity == "CRITICAL":
            if not cooling:
                critical.setdefault(alert.key, []).append(alert)
        elif quiet:
            continue
        elif alert.severity == "WARN":
            if not cooling:
                warnings.setdefault(alert.key, []).append(alert)
        else:
            news.append(Batch((alert,)))
    urgent = [Batch(tuple(each)) for each in critical.values()]
    rest = [Batch(tuple(each)) for each in warnings.values()] + news
    return _calmed(urgent) + _calmed(rest)


def _calmed(batches: list[Batch]) -> list[Batch]:
    """A storm as one message."""
    if len(batches) <= STORM:
        return batches
    alerts = sorted((alert for batch in batches for alert in batch.alerts), key=lambda alert: alert.id)
    return [Batch(tuple(alerts), digest=True)]


def is_quiet(hours: str | None, now: datetime, zone: ZoneInfo) -> bool:
    """Whether `now` lies in `hours` such as 22:00-07:00, in that zone. Equal ends mean never."""
    if hours is None:
        return False
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    there = now.astimezone(zone).time()
    return begin <= there < end if begin <= end else there >= begin or there < end
