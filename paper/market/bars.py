"""Bar names of OKX and the grid they open on.

Bars of six hours and more open by UTC+8 unless the name ends in `utc`; shorter ones open on both grids alike.
A month is the calendar's.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTH = 31 * DAY
# The year 9000: times beyond it are as far as any.
LATEST = 221_845_392_000_000
WEEK_ANCHOR = 4 * DAY  # 1970-01-05 was a Monday

_LENGTHS = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1H": HOUR, "2H": 2 * HOUR, "4H": 4 * HOUR, "6H": 6 * HOUR, "12H": 12 * HOUR,
    "1D": DAY, "2D": 2 * DAY, "3D": 3 * DAY, "1W": 7 * DAY,
    "1M": MONTH,
}  # fmt: skip


@dataclass(frozen=True)
class BarGrid:
    """Bars of `length_ms` opening at `offset_ms` + n·length; months open on their first day, `length_ms` is 31 days."""

    name: str
    length_ms: int
    offset_ms: int

    @property
    def months(self) -> bool:
        return self.length_ms == MONTH

    def open_of(self, market_ms: int) -> int:
        """Open of the bar that contains `market_ms`."""
        if self.months:
            return self._month_open(self._month_of(market_ms))
        return (market_ms - self.offset_ms) // self.length_ms * self.length_ms + self.offset_ms

    def from_open(self, opened: int, bars: int) -> int:
        """The open that many bars after a bar's open, before it where negative."""
        if self.months:
            return self._month_open(self._month_of(opened) + bars)
        return opened + bars * self.length_ms

    def opens(self, oldest: int, newest: int) -> list[int]:
        """The opens from one to another, both included."""
        if self.months:
            return [self._month_open(n) for n in range(self._month_of(oldest), self._month_of(newest) + 1)]
        return list(range(oldest, newest + 1, self.length_ms))

    def _month_of(self, market_ms: int) -> int:
        """Months since the year 0, on this grid's clock."""
        at = min(max(market_ms - self.offset_ms, 0), LATEST)
        day = datetime.fromtimestamp(at / 1000, UTC)
        return day.year * 12 + day.month - 1

    def _month_open(self, month: int) -> int:
        year, index = divmod(month, 12)
        return int(datetime(year, index + 1, 1, tzinfo=UTC).timestamp()) * 1000 + self.offset_ms


def grid(name: str) -> BarGrid | None:
    """The grid of an OKX bar name; None for a name that is not offered."""
    utc = name.endswith("utc")
    plain = name.removesuffix("utc")
    length = _LENGTHS.get(plain)
    if length is None or (utc and length < 6 * HOUR):
        return None
    offset = WEEK_ANCHOR if plain == "1W" else 0
    if not utc and length >= 6 * HOUR:
        offset -= 8 * HOUR
    return BarGrid(name, length, offset if plain == "1M" else offset % length)


def names_from(base_ms: int) -> list[str]:
    """Bar names that base bars of `base_ms` can be aggregated into."""
    names = [name for name, length in _LENGTHS.items() if length % base_ms == 0]
    return names + [f"{name}utc" for name in names if _LENGTHS[name] >= 6 * HOUR]
