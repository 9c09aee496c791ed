"""The loss since 00:00 UTC (market time), judged again at the gate, on the equity just read.

The account monitor halts on the same limit; a baseline that is missing, or of another day, is a refusal here.
"""

from datetime import UTC

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal
from trading.loss import fall_pct

NAME = Refusal.DAILY_LOSS


def check(given: GateInput, entry: Entry) -> CheckResult:
    account, limit_pct = given.account, given.limits.daily_loss_halt_pct
    limit = f"{number(limit_pct)} % since 00:00 UTC"
    if account.equity is None:
        return missing(NAME, limit, "equity")
    today = given.market_now.astimezone(UTC).date()
    loss = None if account.day_baseline is None else fall_pct(account.day_baseline, account.equity)
    if loss is None or account.baseline_day != today:
        return missing(NAME, limit, f"the equity at 00:00 UTC of {today}")
    value = f"{number(loss)} %"
    if loss > limit_pct:
        return rejected(NAME, value, limit, f"the account has lost {value} today")
    return passed(NAME, value, limit)
