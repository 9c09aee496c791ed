"""The ten invariants by name: what each says, how long it may be seen broken, and what a breach does."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Invariant(StrEnum):
    """Names; `number` is the one the documentation uses."""

    ONE_ORDER_PER_INTENT = "one_order_per_intent"
    ONE_OPEN_ENTRY = "one_open_entry"
    OUTCOME_KNOWN_IN_TIME = "outcome_known_in_time"
    POSITION_EQUALS_FILLS = "position_equals_fills"
    POSITION_COVERED = "position_covered"
    STOP_HAS_POSITION = "stop_has_position"
    FOREIGN_IS_LOCKED = "foreign_is_locked"
    WITHIN_LIMITS = "within_limits"
    CLOCK_AGREES = "clock_agrees"
    DATA_IS_FRESH = "data_is_fresh"

    @property
    def number(self) -> str:
        """I1 to I10."""
        return f"I{list(Invariant).index(self) + 1}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`grace`: how long it may be seen before it counts. `halt`: the kind of halt, None: entries wait for its end.

    `asks_exchange`: our mirror may merely be behind, so the exchange is read before it counts.
    """

    says: str
    grace: timedelta
    halt: str | None
    asks_exchange: bool


_I = Invariant
RULES: dict[Invariant, Rule] = {
    _I.ONE_ORDER_PER_INTENT: Rule(
        "at most one order on the exchange for one intent", timedelta(0), "invariant", asks_exchange=False
    ),
    _I.ONE_OPEN_ENTRY: Rule("at most one open entry in an instrument", timedelta(0), "invariant", asks_exchange=False),
    _I.OUTCOME_KNOWN_IN_TIME: Rule(
        "no outcome stays unknown for two minutes of a readable exchange", timedelta(seconds=60), "unknown_state",
        asks_exchange=True,
    ),
    _I.POSITION_EQUALS_FILLS: Rule(
        "a position is the sum of its fills, or locked as different", timedelta(seconds=75), "invariant",
        asks_exchange=True,
    ),
    _I.POSITION_COVERED: Rule(
        "every position of ours has a live stop over all of it", timedelta(seconds=10), "invariant", asks_exchange=True
    ),
    _I.STOP_HAS_POSITION: Rule(
        "every stop of ours only reduces, and has a position", timedelta(seconds=30), None, asks_exchange=True
    ),
    _I.FOREIGN_IS_LOCKED: Rule(
        "what is not ours is locked", timedelta(seconds=90), None, asks_exchange=True
    ),
    _I.WITHIN_LIMITS: Rule(
        "margin, leverage, loss and the number of orders are within their limits", timedelta(seconds=30), "invariant",
        asks_exchange=True,
    ),
    _I.CLOCK_AGREES: Rule(
        "our clock and the exchange's differ by less than a second", timedelta(0), None, asks_exchange=False
    ),
    _I.DATA_IS_FRESH: Rule(
        "account and candles are fresh", timedelta(seconds=20), None, asks_exchange=False
    ),
}  # fmt: skip
