"""How far the price went for and against a trade while it was open (J. Sweeney, "Campaign Trading", 1996: MFE, MAE).

In R before costs: units of the distance from entry to the original stop. Candles are coarser than a trade: the bars
of entry and exit also hold prices from before and after it. Of those two only what stop and target allow is counted,
for a price beyond them would have ended the trade.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle; `ts` is its open, market time."""

    ts: datetime
    high: Decimal
    low: Decimal


@dataclass(frozen=True, slots=True)
class Excursions:
    """Best and worst price while open, in R; `mae_r` ≤ 0 ≤ `mfe_r`. `bars`: candles it rests on."""

    mfe_r: Decimal
    mae_r: Decimal
    bars: int


def excursions(
    *,
    side: str,
    entry: Decimal,
    exit_px: Decimal,
    stop_loss: Decimal,
    take_profit: Decimal | None,
    opened_at: datetime,
    closed_at: datetime,
    bars: Sequence[Bar],
    length: timedelta,
) -> Excursions | None:
    """Of a closed trade. `bars` of `length` in time order; those that do not touch the trade are ignored.

    None where there was no risk, or where a candle between entry and exit is missing.
    """
    risk = abs(entry - stop_loss)
    inside = [bar for bar in bars if bar.ts < closed_at and bar.ts + length > opened_at]
    if risk == 0 or not _whole(inside, opened_at, closed_at, length):
        return None
    sign = 1 if side == "long" else -1
    best = worst = Decimal(0)
    ceiling = None if take_profit is None else max((take_profit - entry) * sign, (exit_px - entry) * sign)
    floor = min((stop_loss - entry) * sign, (exit_px - entry) * sign)
    for bar in inside:
        up, down = (bar.high, bar.low) if sign > 0 else (bar.low, bar.high)
        gain, loss = (up - entry) * sign, (down - entry) * sign
        if bar.ts < opened_at or bar.ts + length > closed_at:
            gain = gain if ceiling is None else min(gain, ceiling)
            loss = max(loss, floor)
        best, worst = max(best, gain), min(worst, loss)
    left = (exit_px - entry) * sign
    return Excursions(max(best, left) / risk, min(worst, left) / risk, len(inside))


def _whole(bars: Sequence[Bar], opened_at: datetime, closed_at: datetime, length: timedelta) -> bool:
    """Whether the bars reach from entry to exit without a gap."""
    if not bars or bars[0].ts > opened_at or bars[-1].ts + length < closed_at:
        return False
    return all(after.ts - before.ts == length for before, after in pairwise(bars))
