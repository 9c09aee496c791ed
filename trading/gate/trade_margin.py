"""Margin of one trade at the costliest fill, as a share of equity; more is cut to it.

A trade is a position from its opening to its close, so an ADD has the room its position has left.
"""

from decimal import Decimal

from trading.decision import Action
from trading.gate.answers import cut, missing, number, passed
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal
from trading.sizing import margin_of

NAME = Refusal.TRADE_MARGIN


def check(given: GateInput, entry: Entry) -> CheckResult:
    limit_pct = given.limits.max_trade_margin_pct
    return within_share(NAME, given, entry, limit_pct, f"{number(limit_pct)} % of equity")


def within_share(
    name: Refusal, given: GateInput, entry: Entry, limit_pct: Decimal, limit: str, why: str = ""
) -> CheckResult:
    """The check `name` that a trade's margin is at most `limit_pct` % of equity. `limit` is for people."""
    equity = given.account.equity
    if equity is None or equity <= 0:
        return missing(name, limit, "equity")
    if entry.contracts is None or entry.costliest is None or entry.leverage is None:
        return missing(name, limit, "the size asked for (needs price and leverage)")
    held = _held_margin(given)
    if held is None:
        return missing(name, limit, "the margin of the position")
    margin = margin_of(given.instrument, contracts=entry.contracts, price=entry.costliest, leverage=entry.leverage)
    share = (held + margin) / equity * 100
    value = f"{number(share)} %"
    if share <= limit_pct:
        return passed(name, value, limit)
    room = max(equity * limit_pct / 100 - held, Decimal(0))
    left = given.instrument.contracts_for_notional(room * entry.leverage, entry.costliest)
    reason = f"{why}margin of {value} of equity cut to the limit"
    return cut(name, value, limit, reason, min(left, entry.contracts))


def _held_margin(given: GateInput) -> Decimal | None:
    if given.decision.action is not Action.ADD:
        return Decimal(0)
    if given.account.positions is None:
        return None
    position = given.account.position(given.instrument.inst_id)
    if position is None or position.margin <= 0:
        return None
    return position.margin
