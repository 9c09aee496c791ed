"""The economic calendar: read from CSV and ICS with daylight saving right, edited while it runs, and honest."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import pytest
from redis import Redis

from exchange.market_cache import MarketCache
from exchange.redis_client import build_redis
from feeds.calendar import EconomicCalendar
from feeds.calendar_files import CalendarUnreadable, parse_calendar
from trading.economic_calendar import CalendarView, kind_of, next_event

BTC = "BTC-USDT-SWAP"
HEADER = "date,time,zone,event,status\n"
Until = Callable[..., None]
ICS = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
SUMMARY:Consumer Price Index
DTSTART;TZID=America/New_York:20260714T083000
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Consumer Price Index
DTSTART;TZID=America/New_York:20261210T083000
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:State Job Openings
DTSTART:20261211T150000Z
END:VEVENT
END:VCALENDAR
"""


def at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_local_times_follow_daylight_saving() -> None:
    rows = "2026-06-17,14:00,America/New_York,FOMC,\n2026-12-09,14:00,America/New_York,FOMC,expected\n"
    summer, winter = parse_calendar((HEADER + "# a remark\n\n" + rows).encode())
    assert (summer.at, summer.expected) == (at(6, 17, 18), False)
    assert (winter.at, winter.expected) == (at(12, 9, 19), True)


def test_ics_is_read_and_only_what_moves_markets_is_taken() -> None:
    assert [event.at for event in parse_calendar(ICS)] == [at(7, 14, 12, 30), at(12, 10, 13, 30)]


def test_built_in_calendar_holds_the_four_kinds_and_no_guess() -> None:
    events = parse_calendar(resources.files("feeds").joinpath("economic_calendar.csv").read_bytes())
    assert not any(event.expected for event in events)
    for kind in ("CPI", "NFP"):
        # Each of the twelve months has its release; none after the last that was announced.
        months = [event.at.month for event in events if kind_of(event.name) == kind]
        assert months == list(range(1, 13))
    assert len([event for event in events if kind_of(event.name) == "GDP"]) == 13
    fomc = [event.at for event in events if kind_of(event.name) == "FOMC" and event.at.year == 2027]
    assert len(fomc) == 8
    assert {when.hour for when in fomc if when.month in (7, 12)} == {18, 19}


def test_built_in_calendar_says_what_it_knows_no_more_of() -> None:
    events = parse_calendar(resources.files("feeds").joinpath("economic_calendar.csv").read_bytes())
    assert next_event(events, at(11, 24, 12)).problem == ""
    view = next_event(events, datetime(2027, 1, 2, tzinfo=UTC))
    assert view.next_event is not None
    assert view.next_event.at == datetime(2027, 1, 27, 19, tzinfo=UTC)
    assert view.problem == (
        "the economic calendar is out of date: the last CPI was on 2026-12-10, the last GDP was on 2026-12-23, "
        "the last NFP was on 2026-12-04"
    )


@pytest.mark.parametrize(
    "content, complaint",
    [
        ("", "is empty"),
        ("when,what\n", "line 1: the header must be"),
        (HEADER + "2026-13-01,14:00,UTC,FOMC,\n", "line 2: '2026-13-01' '14:00' is not a date"),
        (HEADER + "2026-12-01,14:00,America/Newyork,FOMC,\n", "line 2: 'America/Newyork' is not a time zone"),
        (HEADER + "2026-12-01,14:00,UTC,,\n", "line 2: the event has no name"),
        (HEADER + "2026-12-01,14:00,UTC,FOMC,maybe\n", "line 2: status must be empty or expected"),
        (HEADER + "2026-12-01,14:00\n", "line 2: 5 fields expected, not 2"),
        (HEADER + "2026-12-01,14:00+02:00,UTC,FOMC,\n", "line 2: '2026-12-01' '14:00.02:00' is not a date"),
        (HEADER + "9999-12-31,23:59,America/New_York,FOMC,\n", "line 2: '9999-12-31' '23:59' is not a date"),
        (HEADER + "2026-12-01,14:00,,FOMC,\n", "line 2: '' is not a time zone"),
        (HEADER + f'"{"x" * 200_000}",14:00,UTC,FOMC,\n', "is no CSV file: field larger"),
        (HEADER + "2026-12-01,14:00,UTC,F\0OMC,\n", "holds NUL characters"),
        ("BEGIN:VCALENDAR\nnonsense\n", "is not an iCalendar file"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(content: str, complaint: str) -> None:
    with pytest.raises(CalendarUnreadable, match=complaint.replace("'", ".")):
        parse_calendar(content.encode())


def entry(start: str, before: str = "") -> bytes:
    return (
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{before}BEGIN:VEVENT\nUID:1\n"
        f"SUMMARY:Consumer Price Index\n{start}\nEND:VEVENT\nEND:VCALENDAR\n"
    ).encode()


def test_lines_may_end_in_any_way() -> None:
    content = HEADER + "2026-12-09,14:00,America/New_York,FOMC,\n"
    for ending in ("\r\n", "\r"):
        assert [event.at for event in parse_calendar(content.replace("\n", ending).encode())] == [at(12, 9, 19)]


@pytest.mark.parametrize(
    "start, before",
    [
        ("DTSTART;TZID=US-Eastern:20260714T083000", ""),  # as the Bureau of Labor Statistics names its zone
        ("DTSTART:20260714T083000", "X-WR-TIMEZONE:America/New_York\n"),
        ("DTSTART:20260714T123000Z", "X-WR-TIMEZONE:America/New_York\n"),
    ],
)
def test_an_ics_time_is_taken_in_the_zone_it_names(start: str, before: str) -> None:
    assert [event.at for event in parse_calendar(entry(start, before))] == [at(7, 14, 12, 30)]


@pytest.mark.parametrize(
    "start, complaint",
    [
        ("DTSTART;TZID=Nowhere/Land:20260714T083000", "the zone .Nowhere/Land., which is not known"),
        ("DTSTART:20260714T083000", "a time without a zone"),
        ("DTSTART:tomorrow", "has no time such as"),
        ("DTSTART:20260714T083000Z\nDTSTART:20260715T083000Z", "has no time such as"),
        ("DTSTART;VALUE=PERIOD:20260714T083000Z/PT1H", "has no time such as"),
        ("DTSTART;TZID=Asia/Tokyo:00010101T000000", "has no time such as"),
    ],
)
def test_an_ics_time_that_cannot_be_known_is_refused_not_taken_as_utc(start: str, complaint: str) -> None:
    with pytest.raises(CalendarUnreadable, match=f"the entry 'Consumer Price Index' .*{complaint}"):
        parse_calendar(entry(start))


def test_a_cancelled_ics_entry_is_no_event() -> None:
    assert parse_calendar(entry("DTSTART:20260714T083000Z\nSTATUS:CANCELLED")) == []


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with build_redis(redis_url) as client:
        yield client


def seen(redis: Redis, now: datetime) -> CalendarView | None:
    return MarketCache(redis).reading(BTC, now, now, 1.0).calendar


def test_an_edited_file_is_read_again_and_a_broken_one_keeps_the_last(
    redis: Redis, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feeds.calendar.LOOK_S", 0.02)
    file, now = tmp_path / "calendar.csv", at(12, 1, 0)
    file.write_text(HEADER + "2026-12-09,14:00,America/New_York,FOMC,\n")
    calendar = EconomicCalendar(redis, str(file))
    assert seen(redis, now) is None
    calendar.start()
    try:
        until(lambda: seen(redis, now))
        view = seen(redis, now)
        assert view is not None
        assert view.next_event is not None
        assert (view.next_event.at, view.problem) == (at(12, 9, 19), "")
        file.write_text(HEADER + "2026-12-04,08:30,America/New_York,NFP,\n")
        until(lambda: (found := seen(redis, now)) and found.next_event and found.next_event.name == "NFP")
        file.write_text("broken\n")
        until(lambda: (found := seen(redis, now)) and "line 1" in found.problem)
        file.write_bytes(b'date,time,zone,event,status\r2026-12-01,14:00,UTC,"' + b"x" * 200_000)
        until(lambda: (found := seen(redis, now)) and "no CSV file" in found.problem)
        file.write_bytes(b"#" * 5_000_001)
        until(lambda: (found := seen(redis, now)) and "larger than 5 MB" in found.problem)
        assert calendar.alive
        kept = seen(redis, now)
        assert kept is not None
        assert kept.next_event is not None
        late = seen(redis, at(12, 24, 0))
        assert late is not None
        assert "out of date" in late.problem
    finally:
        calendar.stop()


def test_a_url_is_fetched_and_its_refusal_is_said(redis: Redis, until: Until) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/cpi.ics" else 404)
            self.end_headers()
            if self.path == "/cpi.ics":
                self.wfile.write(ICS)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, now = f"http://127.0.0.1:{server.server_port}", at(7, 1, 0)
    try:
        for path, expected in (("/cpi.ics", ""), ("/other.ics", "was answered with 404")):
            calendar = EconomicCalendar(redis, base + path)
            calendar.start()
            until(lambda expected=expected: (found := seen(redis, now)) and expected in found.problem)
            calendar.stop()
            redis.delete("market:calendar")
    finally:
        server.shutdown()
        server.server_close()
