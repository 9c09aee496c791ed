"""OPEN needs a flat instrument, ADD a position: no reversal in one step, no second OPEN, no ADD to nothing.

An entry that may still take effect counts as a position whose direction is not known yet.
"""

from trading.decision import Action
from trading.gate.answers import exact, missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.OPPOSITE_POSITION


def check(given: GateInput, entry: Entry) -> CheckResult:
    adding = given.decision.action is Action.ADD
    limit = "a position to add to" if adding else "flat"
    account, inst_id = given.account, given.instrument.inst_id
    if account.positions is None or account.open_intents is None:
        return missing(NAME, limit, "the open positions and entries")
    if any(intent.inst_id == inst_id for intent in account.open_intents):
        return rejected(NAME, "entry under way", limit, f"an entry in {inst_id} may still take effect")
    position = account.position(inst_id)
    if position is None:
        if adding:
            return rejected(NAME, "flat", limit, f"there is no position in {inst_id} to add to")
        return passed(NAME, "flat", limit)
    held = f"{exact(position.contracts)} contracts"
    if adding:
        return passed(NAME, held, limit)
    if position.contracts * entry.sign < 0:
        return rejected(NAME, held, limit, "the open position is opposite: close it first")
    return rejected(NAME, held, limit, "there is a position already: ADD is the way to increase it")
