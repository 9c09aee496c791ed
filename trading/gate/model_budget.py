"""Model spend of the UTC day; once it is spent, no entry: HOLD.

A day without any model spend (the rules analyst) holds nothing, whatever the budget.
"""

from trading.gate.answers import missing, number, passed
from trading.gate.entry import Entry
from trading.gate.verdict import CheckResult, Effect, GateInput, Refusal

NAME = Refusal.MODEL_BUDGET


def check(given: GateInput, entry: Entry) -> CheckResult:
    budget, spent = given.history.model_budget_usd, given.history.model_spend_today_usd
    if budget is None or spent is None:
        return missing(NAME, "the daily budget", "the model budget or what is spent of it")
    value, limit = f"{number(spent, 4)} USD", f"{number(budget)} USD a day"
    if spent > 0 and spent >= budget:
        return CheckResult(name=NAME, effect=Effect.HOLD, value=value, limit=limit, reason="the model budget is spent")
    return passed(NAME, value, limit)
