"""What a stage is: a plain function of the context and the cycle that says what comes next.

A stage does its reading first, outside any transaction. What it wants stored it returns; the runner commits that
only while the stage's claim is still its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.orm import Session

from models import DecisionCycle
from pipeline.context import PipelineContext

# Stage → queue it runs on. `analyze` runs on `cycle` for the rules analyst: there is nobody to wait for.
STAGE_QUEUES = {
    "collect": "cycle",
    "screen": "haiku",
    "research": "perplexity",
    "analyze": "opus",
    "gate": "cycle",
    "execute": "account",
    "confirm": "account",
    "journal": "cycle",
}
QUEUE_TASKS = {
    "cycle": "cycle.run",
    "haiku": "haiku.screen",
    "perplexity": "perplexity.research",
    "opus": "opus.analyze",
    "account": "account.confirm",
}
LEASE_S = {"collect": 10, "screen": 12, "research": 30, "analyze": 40, "gate": 10, "execute": 10, "confirm": 10,
           "journal": 10}  # fmt: skip


class Retryable(Exception):
    """The stage could not do its work now and may try again: its claim is given back."""


class StaleClaim(Exception):
    """Another worker holds this cycle now; what this one found out is dropped."""


@dataclass(frozen=True, slots=True)
class Next:
    """What a stage answers.

    `stage` is the next one (`done` ends the cycle and needs `outcome`); `values` are columns of the cycle;
    `write` runs inside the committing transaction and may replace this answer (the gate decides there);
    `delay_s` postpones the next stage (a confirm that waits for a fill).
    """

    stage: str
    values: dict[str, Any] = field(default_factory=dict)
    outcome: str | None = None
    reason: str | None = None
    delay_s: float = 0
    write: "Callable[[Session, DecisionCycle], Next | None] | None" = None


class Stage(Protocol):
    """A stage's signature."""

    def __call__(self, ctx: PipelineContext, cycle: DecisionCycle) -> Next: ...


def queue_of(stage: str, analyst: str) -> str:
    """The queue on which `stage` runs when `analyst` decides."""
    if stage == "analyze" and analyst == "rules":
        return "cycle"
    return STAGE_QUEUES[stage]
