"""Confidence as it has proved to be worth (calibrated), or as stated and capped while there are too few trades.

Under the playbook's floor nothing is opened; below its full-size confidence the playbook's size shrinks in proportion.
"""

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.trade_margin import within_share
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.CONFIDENCE


def check(given: GateInput, entry: Entry) -> CheckResult:
    soft = given.soft
    if soft is None:
        return missing(NAME, "the playbook's floor", "the playbook")
    value = f"{number(soft.confidence, 3)} ({soft.basis})"
    if soft.confidence < soft.floor:
        floor = f"at least {number(soft.floor, 3)}"
        return rejected(NAME, value, floor, "confidence is under the playbook's floor")
    if soft.size_pct <= 0:
        return passed(NAME, value, "the playbook has no size to scale")
    size = soft.confident_size_pct
    limit = f"{number(size)} % of equity; in full from {number(soft.full_size, 3)}"
    return within_share(NAME, given, entry, size, limit, f"confidence {value}: ")
