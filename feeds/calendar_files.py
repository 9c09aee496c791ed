"""Economic calendars as files: our CSV, or iCalendar (ICS) as statistics offices publish it.

CSV, header `date,time,zone,event,status`: local date and time in a named zone, so that daylight saving is right;
`status` is empty or `expected` (the owner's estimate: the date is not published yet). Empty lines and lines
that begin with # are skipped. ICS: of a large calendar only rate decisions, CPI, employment and GDP are taken, and
none that was cancelled; an entry without a time of day stands at 00:00 UTC. A time whose zone is not known is refused,
for taken as UTC it would be hours wrong. Errors name the line or the entry and what is wrong.
"""

import csv
import io
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar import Calendar

from trading.economic_calendar import EconomicEvent, kind_of

HEADER = ["date", "time", "zone", "event", "status"]
MAX_EVENTS = 5000


class CalendarUnreadable(ValueError):
    """Not a calendar; `str()` says where and what is wrong."""


def parse_calendar(content: bytes) -> list[EconomicEvent]:
    """Events in time order, each once. Raises CalendarUnreadable."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CalendarUnreadable("is not UTF-8 text") from None
    if "\0" in text:
        raise CalendarUnreadable("holds NUL characters, as no text does")
    events = _ics(text) if text.lstrip().upper().startswith("BEGIN:VCALENDAR") else _csv(text)
    if len(events) > MAX_EVENTS:
        raise CalendarUnreadable(f"holds {len(events)} events, more than {MAX_EVENTS}")
    return sorted(set(events), key=lambda event: (event.at, event.name))


def _csv(text: str) -> list[EconomicEvent]:
    try:
        # Whatever ends the lines.
        return _rows(list(csv.reader(io.StringIO(text, newline=None))))
    except csv.Error as error:
        raise CalendarUnreadable(f"is no CSV file: {error}") from None


def _rows(rows: list[list[str]]) -> list[EconomicEvent]:
    events: list[EconomicEvent] = []
    header_seen = False
    for number, row in enumerate(rows, start=1):
        fields = [field.strip() for field in row]
        if not any(fields) or fields[0].startswith("#"):
            continue
        if not header_seen:
            if [field.lower() for field in fields] != HEADER:
                raise CalendarUnreadable(f"line {number}: the header must be {','.join(HEADER)}")
            header_seen = True
            continue
        events.append(_event(number, fields))
    if not header_seen:
        raise CalendarUnreadable(f"is empty; it begins with {','.join(HEADER)}")
    return events


def _event(number: int, fields: list[str]) -> EconomicEvent:
    if len(fields) not in (4, 5):
        raise CalendarUnreadable(f"line {number}: {len(HEADER)} fields expected, not {len(fields)}")
    day, at, zone, name, status = [*fields, ""][: len(HEADER)]
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise CalendarUnreadable(f"line {number}: {zone!r} is not a time zone such as America/New_York") from None
    try:
        of_day = time.fromisoformat(at)
        if of_day.tzinfo is not None:
            raise ValueError("an offset beside the zone")
        utc = datetime.combine(date.fromisoformat(day), of_day, where).astimezone(UTC)
    except (ValueError, OverflowError):
        said = f"{day!r} {at!r} is not a date such as 2027-01-27 and a time such as 14:00"
        raise CalendarUnreadable(f"line {number}: {said}") from None
    if not name:
        raise CalendarUnreadable(f"line {number}: the event has no name")
    if status not in ("", "expected"):
        raise CalendarUnreadable(f"line {number}: status must be empty or expected, not {status!r}")
    return EconomicEvent(name=name, at=utc, expected=status == "expected")


def _ics(text: str) -> list[EconomicEvent]:
    try:
        calendar = Calendar.from_ical(text)
        entries = calendar.walk("VEVENT")
    except (ValueError, IndexError, KeyError) as error:
        raise CalendarUnreadable(f"is not an iCalendar file: {' '.join(str(error).split())[:200]}") from None
    # Not in the standard, but what calendars without zones of their own say.
    zone = str(calendar.get("X-WR-TIMEZONE", ""))
    events = []
    for entry in entries:
        name, start = str(entry.get("SUMMARY", "")).strip(), entry.get("DTSTART")
        said = f"the entry {name or str(entry.get('UID', '?'))!r}"
        if start is None or not name:
            raise CalendarUnreadable(f"{said} has no time or no name")
        if str(entry.get("STATUS", "")).upper() == "CANCELLED":
            continue
        try:
            at = _utc(start.dt, str(start.params.get("TZID", zone)))
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            why = error if isinstance(error, _NoZone) else "has no time such as 20270127T190000Z"
            raise CalendarUnreadable(f"{said} {why}") from None
        events.append(EconomicEvent(name=name, at=at))
    wanted = [event for event in events if kind_of(event.name)]
    return wanted or events


class _NoZone(ValueError):
    """A time of day of which nobody knows where."""


def _utc(start: date | datetime, zone: str) -> datetime:
    if not isinstance(start, datetime):
        return datetime.combine(start, time(), UTC)
    if start.tzinfo is not None:
        return start.astimezone(UTC)
    for name in (zone, zone.replace("-", "/")):  # US-Eastern, as the Bureau of Labor Statistics has it
        try:
            return start.replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            continue
    raise _NoZone(f"has a time in the zone {zone!r}, which is not known" if zone else "has a time without a zone")
