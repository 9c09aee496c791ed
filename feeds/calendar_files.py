"""Economic calendars as files: our CSV, or iCalendar (ICS) as statistics offices publish it.

CSV, header `date,time,zone,event,status`: local date and time in a named zone, so that daylight saving is right;
`status` is empty or `expected` (the owner's estimate: the date is not published yet). Empty lines and lines
that begin with # are skipped. ICS: of a large calendar only rate decisions, CPI, employment and GDP are taken; an
entry without a time of day stands at 00:00 UTC. Errors name the line or the entry and what is wrong.
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
    events = _ics(content) if text.lstrip().upper().startswith("BEGIN:VCALENDAR") else _csv(text)
    if len(events) > MAX_EVENTS:
        raise CalendarUnreadable(f"holds {len(events)} events, more than {MAX_EVENTS}")
    return sorted(set(events), key=lambda event: (event.at, event.name))


def _csv(text: str) -> list[EconomicEvent]:
    events: list[EconomicEvent] = []
    header_seen = False
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
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
        local = datetime.combine(date.fromisoformat(day), time.fromisoformat(at), ZoneInfo(zone))
    except (ZoneInfoNotFoundError, OSError):
        raise CalendarUnreadable(f"line {number}: {zone!r} is not a time zone such as America/New_York") from None
    except ValueError:
        raise CalendarUnreadable(f"line {number}: {day!r} {at!r} is not a date such as 2027-01-27 and time") from None
    if not name:
        raise CalendarUnreadable(f"line {number}: the event has no name")
    if status not in ("", "expected"):
        raise CalendarUnreadable(f"line {number}: status must be empty or expected, not {status!r}")
    return EconomicEvent(name=name, at=local.astimezone(UTC), expected=status == "expected")


def _ics(content: bytes) -> list[EconomicEvent]:
    try:
        entries = Calendar.from_ical(content).walk("VEVENT")
    except (ValueError, IndexError, KeyError) as error:
        raise CalendarUnreadable(f"is not an iCalendar file: {error}") from None
    events = []
    for entry in entries:
        name, start = str(entry.get("SUMMARY", "")).strip(), entry.get("DTSTART")
        if start is None or not name:
            raise CalendarUnreadable(f"the entry {name or str(entry.get('UID', '?'))!r} has no time or no name")
        events.append(EconomicEvent(name=name, at=_utc(start.dt)))
    wanted = [event for event in events if kind_of(event.name)]
    return wanted or events


def _utc(start: date | datetime) -> datetime:
    if not isinstance(start, datetime):
        return datetime.combine(start, time(), UTC)
    return start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
