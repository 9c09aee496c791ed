"""Economic events that move every market: rate decisions, inflation, employment, growth. Times are UTC.

`next_event` never hides that it does not know: a calendar that holds rate decisions, inflation, employment or growth
is out of date for each of these whose last date is past, and says so, though another kind still has dates ahead.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

OUT_OF_DATE = "the economic calendar is out of date: {last}"
EMPTY = "the economic calendar is empty"
KINDS = {
    "FOMC": re.compile(r"\bFOMC\b|federal open market|rate decision", re.IGNORECASE),
    "CPI": re.compile(r"consumer price|\bCPI\b", re.IGNORECASE),
    "NFP": re.compile(r"employment situation|non-?farm|\bNFP\b", re.IGNORECASE),
    "GDP": re.compile(r"gross domestic product|\bGDP\b", re.IGNORECASE),
}


class EconomicEvent(BaseModel):
    """One release. `expected`: an estimate of the owner's, not published yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    at: datetime
    expected: bool = False


class CalendarView(BaseModel):
    """What a snapshot says of the calendar. `problem` is empty, or why nothing is known of what is ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    next_event: EconomicEvent | None = None
    problem: str = ""


@lru_cache(maxsize=1024)
def kind_of(name: str) -> str | None:
    """FOMC, CPI, NFP or GDP by an event's name; None for any other."""
    return next((kind for kind, words in KINDS.items() if words.search(name)), None)


def next_event(events: Iterable[EconomicEvent], now: datetime) -> CalendarView:
    """The first event at or after `now`, market time, and of what kinds nothing is known any more."""
    ahead: EconomicEvent | None = None
    last: dict[str, datetime] = {}
    for event in events:
        kind = kind_of(event.name) or "another event"
        last[kind] = max(last.get(kind, event.at), event.at)
        if event.at >= now and (ahead is None or event.at < ahead.at):
            ahead = event
    if not last:
        return CalendarView(problem=EMPTY)
    # Releases that no kind names matter only where there is nothing else.
    past = {kind: at for kind, at in last.items() if at < now and (kind in KINDS or ahead is None)}
    if not past:
        return CalendarView(next_event=ahead)
    words = ", ".join(f"the last {kind} was on {at:%Y-%m-%d}" for kind, at in sorted(past.items()))
    return CalendarView(next_event=ahead, problem=OUT_OF_DATE.format(last=words))
