"""The way from the worst fill to the target must pay for taker fees both ways, and funding due while holding."""

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.costs import funding_cost, round_trip_fees
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.EXPECTED_MOVE
LIMIT = "fees and funding"


def check(given: GateInput, entry: Entry) -> CheckResult:
    target, rate = entry.take_profit, given.market.taker_fee_rate
    if target is None:
        return missing(NAME, LIMIT, "the target")
    if rate is None:
        return missing(NAME, LIMIT, "the taker fee")
    if entry.price is None or entry.direction is None:
        return missing(NAME, LIMIT, "the entry price")
    funding = funding_cost(given, entry.direction, entry.price)
    if funding is None:
        return missing(NAME, LIMIT, "the funding rate or its time")
    cost_pct = (round_trip_fees(entry.price, target, rate) + funding) / entry.price * 100
    move_pct = (target - entry.price) * entry.sign / entry.price * 100
    value, limit = f"{number(move_pct, 3)} %", f"above {number(cost_pct, 3)} %"
    if move_pct <= cost_pct:
        return rejected(NAME, value, limit, "the move to the target does not cover fees and funding")
    return passed(NAME, value, limit)
