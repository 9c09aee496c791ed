"""The fall from the equity peak, judged again at the gate, on the equity just read.

The account monitor halts on the same limit; a peak that is missing is a refusal here.
"""

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal
from trading.loss import fall_pct

NAME = Refusal.DRAWDOWN


def check(given: GateInput, entry: Entry) -> CheckResult:
    account, limit_pct = given.account, given.limits.drawdown_halt_pct
    limit = f"{number(limit_pct)} % from the peak"
    if account.equity is None:
        return missing(NAME, limit, "equity")
    fall = None if account.peak_equity is None else fall_pct(account.peak_equity, account.equity)
    if fall is None:
        return missing(NAME, limit, "the equity peak")
    value = f"{number(fall)} %"
    if fall > limit_pct:
        return rejected(NAME, value, limit, f"the account is {value} under its peak")
    return passed(NAME, value, limit)
