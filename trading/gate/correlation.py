"""A position that repeats an open one is cut: to 1 ÷ (1 + the number of positions it repeats).

Repeats: same direction and correlation of returns above the limit, or opposite direction and below its negative.
An entry that may still take effect counts like a position. The correlations are the decision's own snapshot's.
"""

import math
from decimal import Decimal

from trading.gate.answers import cut, missing, number, passed
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.CORRELATION


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit = number(given.limits.max_correlation)
    others = _other_directions(given)
    if others is None:
        return missing(NAME, limit, "the open positions and entries")
    if entry.direction is None:
        return missing(NAME, limit, "the direction")
    strongest, repeated = Decimal(-1), []
    for inst_id, sign in others:
        value = given.market.correlations.get(inst_id)
        if value is None or not math.isfinite(value):
            return missing(NAME, limit, f"the correlation with {inst_id}")
        alike = Decimal(repr(float(value))) * sign * entry.sign
        strongest = max(strongest, alike)
        if alike > given.limits.max_correlation:
            repeated.append(inst_id)
    if not others:
        return passed(NAME, "no other position", limit)
    if not repeated:
        return passed(NAME, number(strongest), limit)
    if entry.contracts is None:
        return missing(NAME, limit, "the size asked for")
    left = given.instrument.round_down(entry.contracts / (1 + len(repeated)))
    return cut(NAME, number(strongest), limit, f"repeats the position in {', '.join(repeated)}", left)


def _other_directions(given: GateInput) -> list[tuple[str, int]] | None:
    """Instrument and direction (1 long, −1 short) of every other position or open entry."""
    account = given.account
    if account.positions is None or account.open_intents is None:
        return None
    held = {p.inst_id: 1 if p.contracts > 0 else -1 for p in account.positions if p.contracts != 0}
    coming = {i.inst_id: 1 if i.side in ("buy", "long") else -1 for i in account.open_intents}
    return sorted((inst, sign) for inst, sign in (coming | held).items() if inst != given.instrument.inst_id)
