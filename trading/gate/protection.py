"""Whoever sees to the stops has been at work within so many wall seconds: no entry where nobody would guard it."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.PROTECTION
CLOCK_TOLERANCE_S = 1.0


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{given.limits.protection_seen_s:g} s"
    if given.protection_seen_at is None:
        return missing(NAME, limit, "when the stops were last checked")
    age = (given.now - given.protection_seen_at).total_seconds()
    value = f"{age:.1f} s"
    if age < -CLOCK_TOLERANCE_S:
        return rejected(NAME, value, limit, "the last check of the stops is dated in the future")
    if age > given.limits.protection_seen_s:
        return rejected(NAME, value, limit, f"the stops were last checked {value} ago: the protect worker stands still")
    return passed(NAME, value, limit)
