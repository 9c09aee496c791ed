"""Leaving and waiting always pass: they depend on no limit, no market data and no account figure but the position.

CLOSE is the whole position, whatever its size. Where positions are not known it still passes, with zero contracts:
whoever executes it closes what the exchange shows. REDUCE reads `size_pct` as the share of the position in per cent,
rounded down to the lot but at least one minimum order and at most one largest; the whole position goes when less than
the minimum would remain. A REDUCE of an unknown position has no size and is refused, as is an exit from another
instrument than the cycle's. A CLOSE or REDUCE of no position, or of 0 %, ends as HOLD.
"""

from decimal import Decimal

from trading.decision import Action
from trading.gate.answers import exact, missing, rejected
from trading.gate.verdict import CheckResult, Effect, GateInput, Refusal

NAME = Refusal.SIZE
LIMIT = "the open position"


def check_exit(given: GateInput) -> CheckResult:
    """What a CLOSE or REDUCE comes to; `size_contracts` is what to close, positive."""
    decision, inst_id = given.decision, given.instrument.inst_id
    if decision.inst_id != inst_id:
        return rejected(NAME, decision.inst_id, inst_id, f"the decision is not about {inst_id}")
    if given.account.positions is None:
        if decision.action is Action.CLOSE:
            return _leave(Decimal(0), "whole position, size not known")
        return missing(NAME, LIMIT, "the position to reduce")
    position = given.account.position(decision.inst_id)
    if position is None:
        return _hold("flat", f"there is no position in {decision.inst_id}")
    whole = abs(position.contracts)
    if decision.action is Action.CLOSE:
        return _leave(whole, f"{exact(whole)} contracts")
    if decision.size_pct == 0:
        return _hold("0 %", "a reduction of 0 % changes nothing")
    part = _part(given, whole)
    return _leave(part, f"{exact(part)} of {exact(whole)} contracts")


def _part(given: GateInput, whole: Decimal) -> Decimal:
    least = given.instrument.min_sz
    part = max(given.instrument.round_down(whole * given.decision.size_pct / 100), least)
    if whole - part < least:
        return whole
    return min(part, given.instrument.round_down(given.instrument.max_mkt_sz))


def _leave(contracts: Decimal, value: str) -> CheckResult:
    return CheckResult(name=NAME, effect=Effect.PASS, value=value, limit=LIMIT, size_contracts=contracts)


def _hold(value: str, reason: str) -> CheckResult:
    return CheckResult(name=NAME, effect=Effect.HOLD, value=value, limit=LIMIT, reason=reason)
