"""Margin of one trade as the playbook sizes its strategy in this regime; more is cut to it.

An unknown or disabled strategy, and a direction the regime has no place for, have no size.
"""

from decimal import Decimal

from trading.gate.answers import missing, number, rejected
from trading.gate.entry import Entry
from trading.gate.trade_margin import within_share
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.PLAYBOOK_SIZE


def check(given: GateInput, entry: Entry) -> CheckResult:
    soft = given.soft
    if soft is None:
        return missing(NAME, "the playbook's size", "the playbook")
    limit = f"{number(soft.size_pct)} % of equity for {soft.sizing}"
    if entry.direction is not None and entry.direction not in soft.directions:
        why = f"the playbook allows no {entry.direction} in a {soft.regime} market"
        return rejected(NAME, entry.direction, limit, why)
    if soft.size_pct <= Decimal(0):
        return rejected(NAME, soft.strategy[:40], limit, f"the playbook sizes it at zero: {soft.sizing}")
    return within_share(NAME, given, entry, soft.size_pct, limit)
