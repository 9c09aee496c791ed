"""Figures as a model is shown them: significant digits, units, distances in per cent and in ATR.

What is not known reads `unknown`. All functions are pure: the same value gives the same bytes.
"""

import math
from datetime import datetime, timedelta
from decimal import Decimal

UNKNOWN = "unknown"
# No figure of a market is smaller; what is, is what adding up floats has left of zero.
NOTHING = 1e-12


def price(value: Decimal | None) -> str:
    """A price or an amount as the exchange wrote it, without trailing zeros or exponent."""
    if value is None:
        return UNKNOWN
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def usdt(value: Decimal | None) -> str:
    """An amount of USDT, two decimals."""
    return UNKNOWN if value is None else f"{value:.2f} USDT"


def significant(value: float | None, digits: int = 6) -> str:
    """A float with that many significant digits, never with an exponent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) < NOTHING:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def times(ratio: float | None) -> str:
    """A multiple of something: `x1.37`."""
    return UNKNOWN if ratio is None or not math.isfinite(ratio) else f"x{significant(ratio, 3)}"


def percent(value: float | Decimal | None, decimals: int = 2) -> str:
    """A value that already is per cent, signed."""
    return UNKNOWN if value is None else f"{value:+.{decimals}f} %"


def share(part: Decimal | None, whole: Decimal | None) -> str:
    """`part` as per cent of `whole`, signed."""
    if part is None or whole is None or whole == 0:
        return UNKNOWN
    return percent(part / whole * 100)


def distance(level: Decimal | float | None, origin: Decimal | float | None, atr: float | None = None) -> str:
    """How far `level` lies from `origin`: `+1.20 %`, and `+2.3 ATR` where the ATR is known."""
    if level is None or not origin:
        return UNKNOWN
    gap = float(level) - float(origin)
    text = percent(gap / float(origin) * 100)
    return f"{text}, {gap / atr:+.1f} ATR" if atr else text


def moment(at: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return UNKNOWN if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def age(span: timedelta) -> str:
    """A length of time in days, hours and minutes."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 min"
