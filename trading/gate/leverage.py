"""Leverage above the limit is cut: notional stays within margin × limit, whatever the exchange is set to.

The leverage is the exchange's own for this instrument, verified; without it nothing is entered.
"""

from trading.gate.answers import cut, missing, number, passed
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.LEVERAGE


def check(given: GateInput, entry: Entry) -> CheckResult:
    allowed = given.limits.max_leverage
    limit = f"{number(allowed)}×"
    if entry.leverage is None:
        return missing(NAME, limit, "the leverage set on the exchange")
    value = f"{number(entry.leverage)}×"
    if entry.leverage <= allowed:
        return passed(NAME, value, limit)
    if entry.contracts is None:
        return missing(NAME, limit, "the size asked for")
    left = given.instrument.round_down(entry.contracts * allowed / entry.leverage)
    return cut(NAME, value, limit, f"notional cut to margin × {number(allowed)}", left)
