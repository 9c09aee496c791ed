"""A decision older than so many wall seconds is not executed."""

from trading.gate.answers import passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.DECISION_AGE
CLOCK_TOLERANCE_S = 1.0


def check(given: GateInput, entry: Entry) -> CheckResult:
    age = (given.now - given.decided_at).total_seconds()
    limit, value = f"{given.limits.decision_max_age_s:g} s", f"{age:.1f} s"
    if age < -CLOCK_TOLERANCE_S:
        return rejected(NAME, value, limit, "the decision is dated in the future")
    if age > given.limits.decision_max_age_s:
        return rejected(NAME, value, limit, f"the decision is {value} old")
    return passed(NAME, value, limit)
