"""The economic calendar into Redis, where every snapshot finds its next event.

The source is a file (read again when it changes) or a URL (read again each hour). What cannot be read leaves the last
calendar in place and is said, as is a calendar that is out of date: in the log once, and in every snapshot for as long
as it lasts. (The log goes by wall time, for releases are of this world; a snapshot by its own market time.)
"""

import threading
from importlib import resources
from pathlib import Path
from time import monotonic

import httpx
import orjson
import structlog
from redis import Redis
from redis.exceptions import RedisError

from exchange import market_keys
from feeds.calendar_files import CalendarUnreadable, parse_calendar
from trading.clock import wall_now
from trading.economic_calendar import EconomicEvent, next_event

logger = structlog.get_logger()

LOOK_S = 5.0
URL_EVERY_S = 3600.0
URL_AGAIN_S = 60.0
URL_TIMEOUT_S = 10.0
MAX_BYTES = 5_000_000
TOO_LARGE = f"is larger than {MAX_BYTES // 1_000_000} MB"
BUILT_IN = "economic_calendar.csv"


class EconomicCalendar:
    """Keeps `market:calendar` as the source is. `start()`, later `stop()`."""

    def __init__(self, redis: Redis, source: str | None) -> None:
        self._redis = redis
        self._source = source
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar", daemon=True)
        self._events: list[EconomicEvent] = []
        self._problem = ""
        self._outdated = ""
        self._written: bytes | None = None
        self._stamp: tuple[int, int] | None = None
        self._due = 0.0

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(URL_TIMEOUT_S + 1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look()
            self._judge()
            self._write()
            self._stopping.wait(LOOK_S)

    def _look(self) -> None:
        try:
            content = self._content()
            if content is None:
                return
            self._events, problem = parse_calendar(content), ""
        except CalendarUnreadable as trouble:
            problem = f"economic calendar {self._source}: {trouble}"
        if problem != self._problem and problem:
            logger.warning("calendar_unreadable", reason=problem)
        elif not problem:
            logger.info("calendar_read", events=len(self._events), source=self._source or "built in")
        self._problem = problem

    def _judge(self) -> None:
        outdated = next_event(self._events, wall_now()).problem if self._events else ""
        if outdated and outdated != self._outdated:
            logger.warning("calendar_out_of_date", reason=outdated, source=self._source or "built in")
        self._outdated = outdated

    def _content(self) -> bytes | None:
        """The calendar, None while it has not changed. Raises CalendarUnreadable."""
        if self._source is None:
            if self._events:
                return None
            return resources.files("feeds").joinpath(BUILT_IN).read_bytes()
        if self._source.startswith(("http://", "https://")):
            return self._from_url(self._source) if monotonic() >= self._due else None
        try:
            path = Path(self._source)
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return None
            if not path.is_file():
                raise CalendarUnreadable("is not a file")
            if found.st_size > MAX_BYTES:
                raise CalendarUnreadable(TOO_LARGE)
            content = path.read_bytes()
        except OSError as error:
            self._stamp = None
            raise CalendarUnreadable(f"cannot be read: {error.strerror}") from None
        self._stamp = stamp
        return content

    def _from_url(self, url: str) -> bytes:
        self._due = monotonic() + URL_AGAIN_S
        try:
            with httpx.stream("GET", url, timeout=URL_TIMEOUT_S, follow_redirects=True) as response:
                response.raise_for_status()
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > MAX_BYTES:
                        raise CalendarUnreadable(TOO_LARGE)
        except httpx.HTTPStatusError as error:
            raise CalendarUnreadable(f"was answered with {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CalendarUnreadable(f"cannot be fetched ({type(error).__name__})") from None
        self._due = monotonic() + URL_EVERY_S
        return content

    def _write(self) -> None:
        """Written when it changed, and again after Redis lost it."""
        content = orjson.dumps(
            {"events": [event.model_dump(mode="json") for event in self._events], "problem": self._problem}
        )
        try:
            if content != self._written or not self._redis.exists(market_keys.CALENDAR):
                self._redis.set(market_keys.CALENDAR, content)
                self._written = content
        except RedisError as error:
            logger.warning("calendar_not_written", error=type(error).__name__)
