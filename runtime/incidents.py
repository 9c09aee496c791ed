"""What happened to the services while the bot ran: one JSON line per death and restart, in `run/incidents.jsonl`.

Written by the supervisor's process, read by `okxbot up` (which reports them) and by the status view. Cleared at each
start; bounded, because a service that cannot live must not fill the disk.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

_LARGEST = 1_000_000  # bytes

Kind = Literal["died", "restarted", "given_up"]


@dataclass(frozen=True)
class Incident:
    at: str  # wall time, ISO 8601
    service: str
    kind: Kind
    detail: str

    @property
    def line(self) -> str:
        if self.kind == "died":
            return f"{self.service} died ({self.detail})"
        if self.kind == "restarted":
            return f"{self.service} runs again ({self.detail})"
        return f"{self.service} does not stay up and was given up ({self.detail}); see its log"


def _parsed(line: str) -> Incident | None:
    """None for a line cut short by a full disk."""
    try:
        return Incident(**json.loads(line))
    except (ValueError, TypeError):
        return None


class IncidentLog:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_to = 0

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._read_to = 0

    def add(self, incident: Incident) -> None:
        if self.path.exists() and self.path.stat().st_size > _LARGEST:
            return
        with self.path.open("a") as file:
            # On a line of its own even where a full disk has cut the one before short.
            file.write("\n" + json.dumps(asdict(incident)) + "\n")

    def all(self) -> list[Incident]:
        if not self.path.exists():
            return []
        return [found for line in self.path.read_text(errors="replace").splitlines() if (found := _parsed(line))]

    def news(self) -> list[Incident]:
        """Those not returned before by this object."""
        everything = self.all()
        fresh = everything[self._read_to :]
        self._read_to = len(everything)
        return fresh

    def died(self, service: str) -> bool:
        """Whether the service died since the bot was started."""
        return any(incident.service == service and incident.kind == "died" for incident in self.all())

    def restarts(self) -> Counter[str]:
        """Restarts of each service since the bot was started."""
        return Counter(incident.service for incident in self.all() if incident.kind == "restarted")
