"""The price is where the decision thinks it is, in basis points.

The last price has not moved further from the decision's snapshot than the limit, either way. A limit entry's own price
lies no further beyond the opposite live quote than the slippage any entry may take, and no further on the good side of
it than a stated distance: an order that far away is a decision about another market.
"""

from trading.entry_price import BPS, opposite_quote
from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.PRICE_DRIFT


def check(given: GateInput, entry: Entry) -> CheckResult:
    limits = given.limits
    limit = f"{number(limits.max_price_drift_bps)} bps"
    then, now = given.market.last, given.live.last
    if then is None or now is None or then <= 0:
        return missing(NAME, limit, "the price then or now")
    drift = abs(now - then) / then * BPS
    value = f"{number(drift, 1)} bps"
    if drift > limits.max_price_drift_bps:
        return rejected(NAME, value, limit, f"the price moved {value} since the snapshot")
    if given.decision.order_type != "limit":
        return passed(NAME, value, limit)
    return _limit_entry(given, entry, value, limit)


def _limit_entry(given: GateInput, entry: Entry, value: str, limit: str) -> CheckResult:
    limits = given.limits
    limit += (
        f"; limit at most {number(limits.entry_slippage_bps)} bps beyond the quote, "
        f"{number(limits.max_limit_distance_bps)} bps on its good side"
    )
    quote = None if entry.direction is None else opposite_quote(entry.direction, given.live)
    if quote is None or entry.price is None:
        return missing(NAME, limit, "the live quote or the limit price")
    beyond = (entry.price - quote) * entry.sign / quote * BPS
    side = "beyond the quote" if beyond > 0 else "on the good side"
    value += f"; limit {number(abs(beyond), 1)} bps {side}"
    if beyond > limits.entry_slippage_bps:
        return rejected(NAME, value, limit, f"the limit price is {number(beyond, 1)} bps worse than the quote")
    if -beyond > limits.max_limit_distance_bps:
        return rejected(NAME, value, limit, f"the limit price is {number(-beyond, 1)} bps away from the market")
    return passed(NAME, value, limit)
