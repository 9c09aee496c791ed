"""When the market does something a person should hear of. Pure: figures in, alerts out.

Units: prices and volumes as they come; every move, rate and share is judged and reported in per cent (OKX's funding
rate 0.0005 is 0.05 %); spreads in basis points. An outlier stands both far above the median of its past and above it
by more than OUTLIER_MADS scaled median deviations (a median deviation times 1.4826 is a standard deviation of normal
figures), so that neither a quiet market nor a steadily busy one raises one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

MOVE_PCT = 3.0
FUNDING_HIGH_PCT, FUNDING_LOW_PCT = 0.05, -0.03
OPEN_INTEREST_PCT = 10.0
OUTLIER_MADS = 6.0
NORMAL = 1.4826
VOLUME_TIMES, VOLUME_BARS = 3.0, 48
SPREAD_TIMES, SPREAD_SAMPLES, SPREAD_LEAST_BPS = 5.0, 30, 1.0


class MarketAlertKind(StrEnum):
    """What happened."""

    MOVE = "price_move"
    FUNDING = "funding"
    OPEN_INTEREST = "open_interest"
    VOLUME = "volume"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class MarketAlert:
    """One alert. `value` and `limit` in `unit`."""

    kind: MarketAlertKind
    value: float
    limit: float
    unit: str
    message: str


def price_move(before: float, now: float) -> MarketAlert | None:
    """The price an hour ago and now, USDT."""
    change = (now / before - 1) * 100 if before > 0 else 0.0
    if abs(change) < MOVE_PCT:
        return None
    return MarketAlert(MarketAlertKind.MOVE, change, MOVE_PCT, "%", f"price moved {change:+.2f} % in an hour")


def funding(rate: float) -> MarketAlert | None:
    """OKX's funding rate, a fraction of notional."""
    pct = rate * 100
    if FUNDING_LOW_PCT <= pct <= FUNDING_HIGH_PCT:
        return None
    limit, payer = (FUNDING_HIGH_PCT, "longs pay") if pct > 0 else (FUNDING_LOW_PCT, "shorts pay")
    return MarketAlert(MarketAlertKind.FUNDING, pct, limit, "%", f"funding rate {pct:+.4f} %: {payer}")


def open_interest(before: float, now: float) -> MarketAlert | None:
    """Open interest four hours ago and now, contracts."""
    change = (now / before - 1) * 100 if before > 0 else 0.0
    if abs(change) < OPEN_INTEREST_PCT:
        return None
    message = f"open interest changed {change:+.1f} % in four hours"
    return MarketAlert(MarketAlertKind.OPEN_INTEREST, change, OPEN_INTEREST_PCT, "%", message)


def volume(past: Sequence[float], last: float) -> MarketAlert | None:
    """A bar's volume and those of the bars before it; None with fewer than VOLUME_BARS of them."""
    limit = _outlier_limit(past, VOLUME_TIMES) if len(past) >= VOLUME_BARS else None
    if limit is None or last <= limit:
        return None
    times = last / median(past)
    return MarketAlert(MarketAlertKind.VOLUME, times, limit / median(past), "x", f"volume {times:.1f} times its median")


def spread(past_bps: Sequence[float], now_bps: float) -> MarketAlert | None:
    """The spread and its past, basis points of the middle; None with fewer than SPREAD_SAMPLES."""
    limit = _outlier_limit(past_bps, SPREAD_TIMES) if len(past_bps) >= SPREAD_SAMPLES else None
    if limit is None or now_bps <= max(limit, SPREAD_LEAST_BPS):
        return None
    message = f"spread {now_bps:.2f} bps, usually {median(past_bps):.2f}"
    return MarketAlert(MarketAlertKind.SPREAD, now_bps, max(limit, SPREAD_LEAST_BPS), "bps", message)


def _outlier_limit(past: Sequence[float], times: float) -> float | None:
    middle = median(past)
    if middle <= 0:
        return None
    deviation = NORMAL * median(abs(value - middle) for value in past)
    return max(times * middle, middle + OUTLIER_MADS * deviation)
