"""At most so many entries in an hour of market time, over all instruments."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.ENTRY_RATE


def check(given: GateInput, entry: Entry) -> CheckResult:
    allowed = given.limits.max_entries_per_hour
    limit = f"{allowed} in an hour"
    entries = given.history.entries_last_hour
    if entries is None:
        return missing(NAME, limit, "the entries of the last hour")
    value = f"{entries} before this one"
    if entries >= allowed:
        return rejected(NAME, value, limit, f"{entries} entries in the last hour")
    return passed(NAME, value, limit)
