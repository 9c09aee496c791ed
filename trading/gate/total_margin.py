"""All margin, entries that may still take effect and this one included, as a share of equity.

Judged after the cuts and at the costliest fill: the most this entry can bind; that margin must also be available.
"""

from decimal import Decimal

from trading.gate.answers import missing, number, passed, rejected
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, GateInput, Refusal
from trading.sizing import margin_of

NAME = Refusal.TOTAL_MARGIN


def check(given: GateInput, entry: Entry) -> CheckResult:
    account, limit_pct = given.account, given.limits.max_total_margin_pct
    limit = f"{number(limit_pct)} % of equity"
    if account.equity is None or account.equity <= 0:
        return missing(NAME, limit, "equity")
    if account.available is None:
        return missing(NAME, limit, "the available balance")
    if account.positions is None or account.open_intents is None:
        return missing(NAME, limit, "the open positions and entries")
    if entry.contracts is None or entry.costliest is None or entry.leverage is None:
        return missing(NAME, limit, "the size asked for (needs price and leverage)")
    held = [p.margin for p in account.positions if p.contracts != 0]
    if any(margin <= 0 for margin in held):
        return missing(NAME, limit, "the margin of an open position")
    used = sum(held, Decimal(0)) + sum((i.margin for i in account.open_intents), Decimal(0))
    own = margin_of(given.instrument, contracts=entry.contracts, price=entry.costliest, leverage=entry.leverage)
    share = (used + own) / account.equity * 100
    value = f"{number(share)} %"
    if share > limit_pct:
        return rejected(NAME, value, limit, f"{number(used)} USDT are committed, this adds {number(own)}")
    if own > account.available:
        return rejected(NAME, value, limit, f"needs {number(own)} USDT, available are {number(account.available)}")
    return passed(NAME, value, limit)
