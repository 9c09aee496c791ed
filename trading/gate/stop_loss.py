"""A stop-loss is required, beyond the live price, the quote and the worst fill on the losing side."""

from trading.entry_price import opposite_quote
from trading.gate.answers import exact, missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.STOP_LOSS


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = "above the price" if entry.direction == "short" else "below the price"
    stop = entry.stop_loss
    if stop is None:
        return rejected(NAME, "missing", limit, "there is no stop-loss")
    if entry.direction is None or entry.price is None or given.live.last is None:
        return missing(NAME, limit, "the direction or the live price")
    quote = opposite_quote(entry.direction, given.live)
    prices = [entry.price, given.live.last] + ([] if quote is None else [quote])
    nearest = min(prices) if entry.direction == "long" else max(prices)
    if (nearest - stop) * entry.sign <= 0:
        return rejected(NAME, exact(stop), limit, f"the stop is on the wrong side of {exact(nearest)}")
    return passed(NAME, exact(stop), limit)
