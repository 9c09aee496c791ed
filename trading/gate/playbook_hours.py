"""No entry in the hours the playbook avoids, judged by market time."""

from trading.gate.answers import missing, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal

NAME = Refusal.PLAYBOOK_HOURS


def check(given: GateInput, entry: Entry) -> CheckResult:
    if given.soft is None:
        return missing(NAME, "the playbook's hours", "the playbook")
    limit, hour = f"playbook version {given.soft.playbook_version}", f"{given.market_now:%H:%M} UTC"
    if given.soft.barred is not None:
        return rejected(NAME, hour, limit, f"the playbook opens nothing at this hour: {given.soft.barred}")
    return passed(NAME, hour, limit)
