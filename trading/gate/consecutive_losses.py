"""After so many losses in a row no entry until the cooldown (market time) is over.

The journal sets the cooldown when the last loss closes; a streak without one means it is not known.
"""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.CONSECUTIVE_LOSSES


def check(given: GateInput, entry: Entry) -> CheckResult:
    allowed = given.limits.max_consecutive_losses
    limit = f"{allowed} in a row, then a cooldown"
    losses, until = given.history.consecutive_losses, given.history.cooldown_until
    if losses is None:
        return missing(NAME, limit, "the losing streak")
    value = f"{losses} in a row"
    if until is not None and given.market_now < until:
        return rejected(NAME, value, limit, f"cooling down until {until:%Y-%m-%d %H:%M} UTC")
    if losses >= allowed and until is None:
        return missing(NAME, limit, f"the end of the cooldown after {losses} losses")
    return passed(NAME, value, limit)
