"""The `retry-after` header: how long a provider asks us to wait, in wall seconds."""

import math
from email.utils import parsedate_to_datetime

from trading.clock import wall_now


def seconds_from(value: str | None) -> float | None:
    """Seconds from a number or an HTTP date. None when absent or senseless."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - wall_now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
