"""What calls for a look beyond the candles, found in code: a release that is due, a question, money coming or going.

Collected once a cycle, before it is screened, and stored with it: screening, research and a replay see the same.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

# A release this close is news already: the market positions itself before it.
NEWS_WINDOW = timedelta(minutes=30)
OPEN_INTEREST_PCT = 10.0
OPEN_INTEREST_OVER = timedelta(hours=4)


class Occasions(BaseModel):
    """None is the ordinary case. `open_interest_change_pct`: per cent over four hours of market time."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    news: str | None = None  # the release due within 30 minutes
    requested: str | None = None  # what Opus asked to know at its last decision here
    open_interest_change_pct: float | None = None


NOTHING = Occasions()
