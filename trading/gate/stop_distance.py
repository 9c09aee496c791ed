"""The stop lies within so many per cent of the live price and of the worst fill, whichever is further from it."""

from trading.gate.answers import exact, missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.STOP_DISTANCE


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{number(given.limits.max_stop_distance_pct)} %"
    stop, last = entry.stop_loss, given.live.last
    if stop is None:
        return missing(NAME, limit, "the stop-loss")
    if last is None or last <= 0:
        return missing(NAME, limit, "the live price")
    if entry.price is None:
        return missing(NAME, limit, "the entry price")
    distance, price = max((abs(each - stop) / each * 100, each) for each in (last, entry.price))
    value = f"{number(distance)} % from {exact(price)}"
    if distance > given.limits.max_stop_distance_pct:
        return rejected(NAME, value, limit, f"the stop is {value}")
    return passed(NAME, value, limit)
