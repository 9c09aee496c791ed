"""No entry while halted, not reconciled lately, draining, or while an invariant is broken."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.ENTRIES_ALLOWED
LIMIT = "running and reconciled"


def check(given: GateInput, entry: Entry) -> CheckResult:
    if given.entries_allowed is None:
        return missing(NAME, LIMIT, "whether entries are allowed")
    if not given.entries_allowed:
        return rejected(NAME, "not allowed", LIMIT, given.entries_refused_for or "no reason was given")
    return passed(NAME, "allowed", LIMIT)
