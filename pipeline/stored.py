"""The cycle's stored snapshot, back as the types it was made of: every stage after `collect` rests on these bytes."""

from dataclasses import dataclass

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
