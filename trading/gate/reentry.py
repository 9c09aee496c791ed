"""No entry in an instrument for so many minutes of market time after the last exit from it."""

from datetime import timedelta

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.REENTRY


def check(given: GateInput, entry: Entry) -> CheckResult:
    wait = given.limits.reentry_cooldown_min
    limit = f"{wait} min after an exit"
    if given.history.last_exit_at is None:
        return missing(NAME, limit, "the time of the last exit")
    last = given.history.last_exit_at.get(given.instrument.inst_id)
    if last is None:
        return passed(NAME, "no exit yet", limit)
    since = given.market_now - last
    value = f"{since.total_seconds() / 60:.0f} min"
    if since < timedelta(minutes=wait):
        return rejected(NAME, value, limit, f"the last exit here was {value} ago")
    return passed(NAME, value, limit)
