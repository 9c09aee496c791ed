"""Economic events that move every market: rate decisions, inflation, employment, growth. Times are UTC.

`next_event` never hides that it does not know: a calendar without an event ahead is out of date, and says so.
"""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

OUT_OF_DATE = "the economic calendar is out of date: its last event was on {last:%Y-%m-%d}"
EMPTY = "the economic calendar is empty"


class EconomicEvent(BaseModel):
    """One release. `expected`: the date follows the usual rule and has not been published yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    at: datetime
    expected: bool = False


class CalendarView(BaseModel):
    """What a snapshot says of the calendar. `problem` is empty, or why nothing is known of what is ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    next_event: EconomicEvent | None = None
    problem: str = ""


def next_event(events: Iterable[EconomicEvent], now: datetime) -> CalendarView:
    """The first event at or after `now`, market time."""
    ordered = sorted(events, key=lambda event: event.at)
    ahead = next((event for event in ordered if event.at >= now), None)
    if ahead is not None:
        return CalendarView(next_event=ahead)
    if not ordered:
        return CalendarView(problem=EMPTY)
    return CalendarView(problem=OUT_OF_DATE.format(last=ordered[-1].at))
