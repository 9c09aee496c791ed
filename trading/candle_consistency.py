"""Whether a bar can be at all, and whether a longer one says the same as the shorter bars it is made of.

A bar cannot be when it does not open on the grid of its length, a price is not positive or under LEAST, the low is over
or the high under open or close, a volume is negative, or a figure is over MOST.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from trading.candle import BAR_SECONDS, Candle
from trading.clock import to_ms

LEAST, MOST = Decimal(10) ** -18, Decimal(10) ** 18
VOLUME_TOLERANCE = Decimal("0.000001")
"""Share by which volumes may differ: sums of rounded figures."""


def impossible(candle: Candle) -> str:
    """Why no market has such a bar, in words; empty when it may be."""
    volumes = (candle.vol_contracts, candle.vol_coins, candle.vol_quote)
    return why_impossible(
        to_ms(candle.ts), BAR_SECONDS[candle.bar], (candle.open, candle.high, candle.low, candle.close), volumes
    )


def why_impossible(
    open_ms: int, seconds: int, prices: tuple[Decimal, Decimal, Decimal, Decimal], volumes: Iterable[Decimal]
) -> str:
    """The same of the figures; `prices` are open, high, low, close."""
    open_, high, low, close = prices
    traded = list(volumes)
    if open_ms % (seconds * 1000):
        return "is off the grid"
    if min(prices) <= 0:
        return "has a price that is not positive"
    if min(prices) < LEAST:
        return f"has a price under {LEAST:.0e}"
    if max(*prices, *traded) > MOST:
        return f"has a figure over {MOST:.0e}"
    if low > min(open_, close) or high < max(open_, close):
        return "opens or closes outside its range"
    if any(volume < 0 for volume in traded):
        return "has a negative volume"
    return ""


def components(longer: str, bars: Sequence[str]) -> str | None:
    """The longest of `bars` that divides `longer`; None when there is none."""
    seconds = BAR_SECONDS[longer]
    shorter = [bar for bar in bars if BAR_SECONDS[bar] < seconds and seconds % BAR_SECONDS[bar] == 0]
    return max(shorter, key=lambda bar: BAR_SECONDS[bar], default=None)


def difference(longer: Candle, parts: Sequence[Candle]) -> str | None:
    """What differs, in words; None when the bar is what its parts add up to. Raises ValueError for missing parts."""
    if not parts:
        raise ValueError("a bar without parts")
    seconds = BAR_SECONDS[parts[0].bar]
    wanted = [longer.ts + timedelta(seconds=at) for at in range(0, BAR_SECONDS[longer.bar], seconds)]
    if [part.ts for part in parts] != wanted:
        raise ValueError("the parts do not cover the bar")
    sums = {
        "open": parts[0].open,
        "high": max(part.high for part in parts),
        "low": min(part.low for part in parts),
        "close": parts[-1].close,
    }
    found = [
        f"{name} {getattr(longer, name)} against {value}"
        for name, value in sums.items()
        if getattr(longer, name) != value
    ]
    volume = sum((part.vol_contracts for part in parts), Decimal(0))
    if abs(longer.vol_contracts - volume) > VOLUME_TOLERANCE * max(longer.vol_contracts, volume):
        found.append(f"volume {longer.vol_contracts} against {volume}")
    return ", ".join(found) or None
