"""Words and numbers for a phone: short, aligned in 34 columns, times in the owner's zone, everything escaped.

Money in USDT or USD as said, percentages in per cent. What is not known is shown as an en dash.
"""

import html
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

UNKNOWN = "–"
COLUMNS = 34
BLOCK = 3500
# Control characters, and those that turn the direction of the text after them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(value: object, at_most: int = 600) -> str:
    """Text of a person or a model without control characters, cut to a length."""
    text = _UNSEEN.sub("", str(value)).encode("utf-8", "replace").decode()
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def escaped(value: object, at_most: int = 600) -> str:
    """`plain`, safe inside Telegram's HTML."""
    return html.escape(plain(value, at_most), quote=False)


def bold(value: object) -> str:
    return f"<b>{escaped(value)}</b>"


def money(value: Decimal | None, places: int = 2) -> str:
    """12,345.67"""
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def signed(value: Decimal | None, places: int = 2) -> str:
    """+12.34; zero has no sign."""
    if value is None:
        return UNKNOWN
    shown = f"{value:+,.{places}f}"
    return shown[1:] if not shown.strip("+-0.,") else shown


def percent(value: Decimal | float | None, places: int = 2, *, sign: bool = False) -> str:
    """12.34 %"""
    if value is None:
        return UNKNOWN
    return (signed(Decimal(str(value)), places) if sign else f"{value:,.{places}f}") + " %"


def price(value: Decimal | None) -> str:
    """A price with the digits that matter: five, at most eight after the point, no thousands lost."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    places = 1 if size >= 10000 else 2 if size >= 100 else 4 if size >= 1 else 6
    shown = f"{value:,.{places}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def size(value: Decimal) -> str:
    """Contracts without trailing zeros."""
    shown = f"{value:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def coin(inst_id: str) -> str:
    """BTC of BTC-USDT-SWAP."""
    return plain(inst_id).split("-")[0]


def shown_bar(bar: str) -> str:
    """1D of OKX's 1Dutc."""
    return bar.removesuffix("utc")


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 trade, 2 trades"""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def clock_time(at: datetime | None, zone: ZoneInfo) -> str:
    """14:05"""
    return UNKNOWN if at is None else f"{at.astimezone(zone):%H:%M}"


def day_time(at: datetime | None, zone: ZoneInfo) -> str:
    """5 Jan 14:05"""
    if at is None:
        return UNKNOWN
    there = at.astimezone(zone)
    return f"{there.day} {there:%b %H:%M}"


def duration(span: timedelta) -> str:
    """45 s, 12 min, 3 h 20 min, 2 d 4 h"""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if days == 0:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def first_of(lines: Sequence[str], room: int, more: str) -> list[str]:
    """As many of the lines as fit into so many characters; then how many more there are, `more` naming them."""
    kept: list[str] = []
    for line in lines:
        room -= len(html.unescape(line)) + 1
        if room < 0:
            return [*kept, f"… and {plural(len(lines) - len(kept), f'more {more}', f'more {more}s')}"]
        kept.append(line)
    return kept


def pieces(text: str, at_most: int = 3000) -> list[str]:
    """Long text in pieces of whole lines."""
    found = [""]
    for line in text.split("\n"):
        if found[-1] and len(found[-1]) + len(line) >= at_most:
            found.append("")
        found[-1] += ("\n" if found[-1] else "") + line
    return found


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names left, values right, in one monospaced block."""
    lines = []
    for name, value in rows:
        gap = max(1, COLUMNS - len(name) - len(value))
        lines.append(f"{name}{' ' * gap}{value}")
    return monospaced(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns as wide as they must be, the first `left` flush left, in one monospaced block."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return " ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return monospaced([line(head), *(line(row) for row in rows)])


def monospaced(lines: Iterable[str]) -> str:
    return "<pre>" + html.escape(plain("\n".join(lines), BLOCK - 100), quote=False) + "</pre>"
