"""The differences between our books and the exchange, by name, and what each locks."""

from dataclasses import dataclass, field
from enum import StrEnum

from execution.locks import LockReason


class Break(StrEnum):
    """Names of the differences."""

    MISSING_ORDER = "missing_order"  # ours is open in our books, the exchange does not know it
    ORPHAN_ORDER = "orphan_order"  # carries our prefix, is not in our books
    FOREIGN_ORDER = "foreign_order"  # somebody else's
    FOREIGN_POSITION = "foreign_position"  # nothing of ours made it
    SIZE_BREAK = "size_break"  # ours, of another size than our fills make
    MISSING_STOP = "missing_stop"  # ours, without a live stop that covers it
    ORPHAN_STOP = "orphan_stop"  # a stop of ours without a position
    BALANCE_BREAK = "balance_break"  # equity, balances and bills do not add up
    FEE_BREAK = "fee_break"  # a fill and its bill name different costs
    FUNDING_BREAK = "funding_break"  # a trade counts other funding than was billed


LOCKING = {
    Break.MISSING_ORDER: LockReason.MISSING_ORDER,
    Break.ORPHAN_ORDER: LockReason.ORPHAN_ORDER,
    Break.FOREIGN_ORDER: LockReason.FOREIGN_ORDER,
    Break.FOREIGN_POSITION: LockReason.FOREIGN_POSITION,
    Break.SIZE_BREAK: LockReason.SIZE_BREAK,
    Break.MISSING_STOP: LockReason.MISSING_STOP,
}
TOLD = frozenset({Break.BALANCE_BREAK, Break.FEE_BREAK, Break.FUNDING_BREAK, Break.ORPHAN_STOP})
"""Told when first found; the others are told with their lock."""


@dataclass
class ReconcileReport:
    """`breaks` are (name, instrument, what) of this run, those mended included."""

    reason: str
    breaks: list[tuple[Break, str, str]] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    positions: int = 0
    stops: int = 0

    def named(self, name: str) -> list[str]:
        """Instruments with this break."""
        return [inst_id for found, inst_id, _ in self.breaks if found == name]
