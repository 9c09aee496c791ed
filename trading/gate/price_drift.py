"""The price has not moved further from the decision's snapshot than so many basis points, either way."""

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.PRICE_DRIFT


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{number(given.limits.max_price_drift_bps)} bps"
    then, now = given.market.last, given.live.last
    if then is None or now is None or then <= 0:
        return missing(NAME, limit, "the price then or now")
    drift = abs(now - then) / then * 10_000
    value = f"{number(drift, 1)} bps"
    if drift > given.limits.max_price_drift_bps:
        return rejected(NAME, value, limit, f"the price moved {value} since the snapshot")
    return passed(NAME, value, limit)
