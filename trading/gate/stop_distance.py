"""The stop lies within so many per cent of the live price, on either side of it."""

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.STOP_DISTANCE


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{number(given.limits.max_stop_distance_pct)} %"
    stop, last = given.decision.stop_loss, given.live.last
    if stop is None:
        return missing(NAME, limit, "the stop-loss")
    if last is None or last <= 0:
        return missing(NAME, limit, "the live price")
    distance = abs(last - stop) / last * 100
    value = f"{number(distance)} %"
    if distance > given.limits.max_stop_distance_pct:
        return rejected(NAME, value, limit, f"the stop is {value} away")
    return passed(NAME, value, limit)
