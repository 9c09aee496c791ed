"""What bars do not carry: mark and index price, funding rate, open interest.

All are deterministic functions of the seed, the instrument and market time, so nothing needs to be stored.
Index and mark stay within a few basis points of the last price; the funding rate of a settlement is the usual
0.01 % bent by a slow wave and by the price move of the eight hours before it.
"""

import math
import zlib
from decimal import Decimal

SETTLEMENT_MS = 8 * 3_600_000
FUNDING_CAP = Decimal("0.00375")
INTEREST_RATE = Decimal("0.0001")


class Waves:
    """Smooth seeded noise in −1..1: a mean of sines with incommensurate periods."""

    def __init__(self, seed: int, name: str, periods_s: tuple[float, ...]) -> None:
        state = zlib.crc32(f"{seed}/{name}".encode())
        self._terms = []
        for number, period in enumerate(periods_s):
            phase = (zlib.crc32(f"{state}/{number}".encode()) % 62832) / 10000
            self._terms.append((2 * math.pi / (period * 1000), phase))

    def at(self, market_ms: int) -> float:
        total = 0.0
        for speed, phase in self._terms:
            total += math.sin(speed * market_ms + phase)
        return total / len(self._terms)


class Derived:
    """Derived channels of one instrument."""

    def __init__(self, seed: int, inst_id: str) -> None:
        self._basis = Waves(seed, f"{inst_id}/basis", (5400.0, 1370.0, 251.0))
        self._noise = Waves(seed, f"{inst_id}/mark", (911.0, 83.0))
        self._funding = Waves(seed, f"{inst_id}/funding", (86400.0 * 5, 86400.0 * 1.7))
        self._interest = Waves(seed, f"{inst_id}/oi", (86400.0 * 3.1, 21600.0, 4000.0))

    def mark(self, last_ticks: int, market_ms: int) -> int:
        """Mark price in ticks: within 1.5 basis points of last."""
        return max(1, round(last_ticks * (1 + 1.5e-4 * self._noise.at(market_ms))))

    def index(self, last_ticks: int, market_ms: int) -> int:
        """Index price in ticks: within 4 basis points of last."""
        return max(1, round(last_ticks * (1 - 4e-4 * self._basis.at(market_ms))))

    def funding_rate(self, settlement_ms: int, move: float) -> Decimal:
        """Rate charged at a settlement; `move` is the price change of the eight hours before it as a fraction."""
        rate = 0.0001 + 0.00012 * self._funding.at(settlement_ms) + max(-0.0006, min(0.0006, 0.008 * move))
        exact = Decimal(repr(rate)).quantize(Decimal("1E-10"))
        return max(-FUNDING_CAP, min(FUNDING_CAP, exact))

    def open_interest_factor(self, market_ms: int) -> float:
        """Open interest relative to its long-run level."""
        return 1 + 0.15 * self._interest.at(market_ms)
