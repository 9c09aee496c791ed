"""Every channel an entry rests on spoke recently enough (wall seconds); the account too."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.FRESHNESS
CHANNELS = ("ticker", "candle", "book", "funding", "open_interest", "account")
"""What must be fresh; each has its limit `Limits.fresh_…_s` and, but for `account`, its age in `live.ages_s`."""
CLOCK_TOLERANCE_S = 1.0


def check(given: GateInput, entry: Entry) -> CheckResult:
    limits: dict[str, float] = {channel: getattr(given.limits, f"fresh_{channel}_s") for channel in CHANNELS}
    ages = dict(given.live.ages_s) | {"account": (given.now - given.account.taken_at).total_seconds()}
    text = ", ".join(f"{channel} {limits[channel]:g} s" for channel in CHANNELS)
    unknown = [channel for channel in CHANNELS if channel not in ages]
    if unknown:
        return missing(NAME, text, f"the age of {', '.join(unknown)}")
    value = ", ".join(f"{channel} {ages[channel]:.1f} s" for channel in CHANNELS)
    ahead = [channel for channel in CHANNELS if ages[channel] < -CLOCK_TOLERANCE_S]
    if ahead:
        return rejected(NAME, value, text, f"{', '.join(ahead)} is dated in the future")
    # `not <=` so that an age that is no number is stale
    stale = [channel for channel in CHANNELS if not ages[channel] <= limits[channel]]
    if stale:
        return rejected(NAME, value, text, f"{', '.join(stale)} is stale")
    return passed(NAME, value, text)
