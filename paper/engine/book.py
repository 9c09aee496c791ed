"""A synthetic order book around a quote: deterministic depth that takers of the same step use up together.

Level i lies i gaps (0.2 basis points of price, at least a tick) beyond the best price and holds 0.4–1.6 times
`depth_usd` of notional, growing with distance.
"""

from decimal import ROUND_DOWN, Decimal

from paper.engine.quote import Quote
from paper.instruments import Instrument
from paper.numbers import ZERO

MAX_LEVELS = 400
_MASK = 2**64 - 1


def _mix(value: int) -> float:
    """splitmix64 of `value` as a fraction in 0..1."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) & _MASK) / 2**64


class Book:
    """One step's book. `take` removes liquidity for the rest of the step."""

    def __init__(self, instrument: Instrument, quote: Quote) -> None:
        self.quote = quote
        self._instrument = instrument
        self._taken: dict[tuple[str, int], Decimal] = {}
        # Levels as they were before anybody took from them; made when first asked for.
        self._made: dict[tuple[str, int], tuple[Decimal, Decimal]] = {}
        self._salt = quote.step * 1000003 + instrument.code
        self._gap = max(1, round(float(quote.last / instrument.tick) * 2e-5)) * instrument.tick

    def level(self, side: str, number: int) -> tuple[Decimal, Decimal]:
        """Price and remaining contracts of level `number` (0 = best) of `side` "asks" or "bids"."""
        key = (side, number)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(side, number)
        taken = self._taken.get(key)
        return made if taken is None else (made[0], max(ZERO, made[1] - taken))

    def _make(self, side: str, number: int) -> tuple[Decimal, Decimal]:
        instrument = self._instrument
        if side == "asks":
            price = self.quote.ask + number * self._gap
        else:
            price = max(instrument.tick, self.quote.bid - number * self._gap)
        share = _mix(self._salt * 2 + (side == "asks") + number * 7919)
        notional = float(instrument.depth_usd) * (0.4 + 1.2 * share) * (1 + number / 8)
        raw = Decimal(notional) / (price * instrument.ct_val)
        return price, max(instrument.min_sz, raw.quantize(instrument.lot, ROUND_DOWN))

    def levels(self, side: str, count: int) -> list[tuple[Decimal, Decimal]]:
        """The best `count` levels that still hold something."""
        found = []
        for number in range(min(count, MAX_LEVELS)):
            price, size = self.level(side, number)
            if size > 0:
                found.append((price, size))
        return found

    def available(self, side: str, limit: Decimal, wanted: Decimal) -> Decimal:
        """Contracts to be had at `limit` or better, counted no further than `wanted`."""
        total = ZERO
        for number in range(MAX_LEVELS):
            price, size = self.level(side, number)
            if (price > limit) if side == "asks" else (price < limit):
                break
            total += size
            if total >= wanted:
                return wanted
        return total

    def take(self, side: str, limit: Decimal, wanted: Decimal) -> list[tuple[Decimal, Decimal]]:
        """Take up to `wanted` contracts at `limit` or better: (price, contracts) per level, best first."""
        fills: list[tuple[Decimal, Decimal]] = []
        for number in range(MAX_LEVELS):
            if wanted <= 0:
                break
            price, size = self.level(side, number)
            if (price > limit) if side == "asks" else (price < limit):
                break
            size = min(size, wanted)
            if size <= 0:
                continue
            key = (side, number)
            self._taken[key] = self._taken.get(key, ZERO) + size
            wanted -= size
            fills.append((price, size))
        return fills

    def thin(self, keep: Decimal) -> None:
        """Take away all but `keep` contracts of each side, for the rest of the step."""
        for side in ("asks", "bids"):
            left = keep
            for number in range(MAX_LEVELS):
                _, size = self.level(side, number)
                kept = min(size, left)
                left -= kept
                self._taken[side, number] = self._taken.get((side, number), ZERO) + size - kept
