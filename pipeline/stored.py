"""The cycle's stored snapshot, back as the types it was made of: every stage after `collect` rests on these bytes."""

import json
from dataclasses import dataclass

from brain.facts import Findings
from models import DecisionCycle
from trading.snapshot import AccountSnapshot, History, MarketSnapshot


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """Market, account and history as collected."""

    market: MarketSnapshot
    account: AccountSnapshot
    history: History


def stored_snapshot(cycle: DecisionCycle) -> StoredSnapshot:
    """Parse it. Raises LookupError where `collect` stored none."""
    if cycle.snapshot is None:
        raise LookupError(f"cycle {cycle.id} has no snapshot")
    return StoredSnapshot(
        MarketSnapshot.model_validate(cycle.snapshot["market"]),
        AccountSnapshot.model_validate(cycle.snapshot["account"]),
        History.model_validate(cycle.snapshot["history"]),
    )


def stored_findings(cycle: DecisionCycle) -> Findings | None:
    """The facts of the cycle's research; None where there are none."""
    found = (cycle.research or {}).get("findings")
    return None if found is None else Findings.model_validate_json(json.dumps(found))
