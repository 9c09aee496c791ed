"""At most so many instruments with a position or an entry that may still take effect, this one included."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.OPEN_POSITIONS


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = f"{given.limits.max_open_positions}"
    if given.account.positions is None or given.account.open_intents is None:
        return missing(NAME, limit, "the open positions and entries")
    held = {p.inst_id for p in given.account.positions if p.contracts != 0}
    held |= {intent.inst_id for intent in given.account.open_intents}
    count = len(held | {given.instrument.inst_id})
    if count > given.limits.max_open_positions:
        return rejected(NAME, f"{count}", limit, f"this would be position {count}")
    return passed(NAME, f"{count}", limit)
