"""No entry in an instrument that is locked, suspended, or not the one the cycle is about."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.INSTRUMENT_LOCKED
LIMIT = "unlocked and live"


def check(given: GateInput, entry: Entry) -> CheckResult:
    inst_id = given.instrument.inst_id
    about = {given.decision.inst_id, given.market.inst_id, given.live.inst_id}
    if about != {inst_id}:
        return rejected(NAME, ", ".join(sorted(about)), inst_id, f"the decision is not about {inst_id} alone")
    if given.instrument.state != "live":
        return rejected(NAME, given.instrument.state, LIMIT, f"{inst_id} is {given.instrument.state} on the exchange")
    locked = given.account.locked_instruments
    if locked is None:
        return missing(NAME, LIMIT, "which instruments are locked")
    if inst_id in locked:
        return rejected(NAME, "locked", LIMIT, f"{inst_id} is locked")
    return passed(NAME, "unlocked", LIMIT)
