"""Whether a longer bar says the same as the shorter bars it is made of."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from trading.candle import BAR_SECONDS, Candle

VOLUME_TOLERANCE = Decimal("0.000001")
"""Share by which volumes may differ: sums of rounded figures."""


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
