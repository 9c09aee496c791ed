"""The prices of one instrument at one step of the market."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """`step` salts the book, so that the same step always shows the same depth."""

    ts: int
    last: Decimal
    bid: Decimal
    ask: Decimal
    mark: Decimal
    index: Decimal
    step: int

    def trigger_price(self, kind: str) -> Decimal:
        """The price a trigger of type last, mark or index looks at."""
        if kind == "mark":
            return self.mark
        if kind == "index":
            return self.index
        return self.last
