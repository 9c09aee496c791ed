"""Reward over risk, net of round-trip taker fees, at the worst price the order accepts.

Reward = distance to the target − fees of entry and target; risk = distance to the stop + fees of entry and stop.
"""

from trading.gate.answers import exact, missing, number, passed, rejected
from trading.gate.costs import round_trip_fees
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.REWARD_RISK


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{number(given.limits.min_reward_risk)}"
    stop, target, rate = entry.stop_loss, entry.take_profit, given.market.taker_fee_rate
    if stop is None or target is None:
        return missing(NAME, limit, "the stop-loss or the target")
    if rate is None:
        return missing(NAME, limit, "the taker fee")
    if entry.price is None or entry.direction is None:
        return missing(NAME, limit, "the entry price")
    reward = (target - entry.price) * entry.sign - round_trip_fees(entry.price, target, rate)
    risk = (entry.price - stop) * entry.sign + round_trip_fees(entry.price, stop, rate)
    if risk <= 0:
        return rejected(NAME, "no risk", limit, "the stop is not on the losing side")
    value = f"{number(reward / risk)} at {exact(entry.price)}"
    if reward / risk < given.limits.min_reward_risk:
        return rejected(NAME, value, limit, f"reward over risk after fees is {value}")
    return passed(NAME, value, limit)
