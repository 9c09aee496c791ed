"""The risk gate: the last word on every decision.

`judge` is pure and never raises on missing input: what is missing is a refusal with value "missing". It runs every
check and lists each with its value and limit, also after one has refused. Checks run in the order below, each
seeing the size the ones before have left; a size only ever shrinks. HOLD is approved with zero contracts and the
effect `hold`: there is nothing to execute.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from trading.decision import EXITING, Action
from trading.gate import (
    confidence,
    consecutive_losses,
    correlation,
    daily_loss,
    decision_age,
    drawdown,
    entries_allowed,
    entry_rate,
    expected_move,
    freshness,
    instrument_locked,
    leverage,
    model_budget,
    open_positions,
    opposite_position,
    playbook_hours,
    playbook_size,
    price_drift,
    protection,
    reentry,
    reward_risk,
    size,
    stop_distance,
    stop_loss,
    total_margin,
    trade_margin,
)
from trading.gate.entry import Entry, entry_of
from trading.gate.exits import check_exit
from trading.gate.verdict import CheckResult, Effect, GateInput, Refusal, Verdict
from trading.sizing import margin_of

Check = Callable[[GateInput, Entry], CheckResult]

CHECKS: tuple[Check, ...] = (
    entries_allowed.check,
    protection.check,
    daily_loss.check,
    drawdown.check,
    instrument_locked.check,
    opposite_position.check,
    open_positions.check,
    consecutive_losses.check,
    entry_rate.check,
    reentry.check,
    freshness.check,
    decision_age.check,
    price_drift.check,
    stop_loss.check,
    stop_distance.check,
    reward_risk.check,
    expected_move.check,
    model_budget.check,
    playbook_hours.check,
    # The cuts, the playbook's own before the hard ones, then what is judged on the size they leave.
    playbook_size.check,
    confidence.check,
    trade_margin.check,
    leverage.check,
    correlation.check,
    total_margin.check,
    size.check,
)


def judge(given: GateInput) -> Verdict:
    """The verdict on one decision."""
    action = given.decision.action
    if action is Action.HOLD:
        return _without_entry(Effect.HOLD, Decimal(0), None)
    if action in EXITING:
        leaving = check_exit(given)
        return _without_entry(leaving.effect, leaving.size_contracts or Decimal(0), leaving)
    return _judge_entry(given)


def _judge_entry(given: GateInput) -> Verdict:
    entry = entry_of(given)
    results: list[CheckResult] = []
    for check in CHECKS:
        result = check(given, entry)
        results.append(result)
        if result.effect is Effect.CUT and result.size_contracts is not None and entry.contracts is not None:
            entry = replace(entry, contracts=min(entry.contracts, result.size_contracts))
    effects = {result.effect for result in results}
    effect = next(e for e in (Effect.REJECT, Effect.HOLD, Effect.CUT, Effect.PASS) if e in effects)
    approved = effect in (Effect.CUT, Effect.PASS)
    contracts, margin = Decimal(0), None
    if approved:
        contracts, margin = _approved_size(given, entry)
    return Verdict(
        approved=approved,
        effect=effect,
        contracts=contracts,
        leverage=entry.leverage,
        margin=margin,
        checks=tuple(results),
        side=None if entry.direction is None else "buy" if entry.direction == "long" else "sell",
        price=entry.price,
        stop_loss=entry.stop_loss,
        take_profit=entry.take_profit,
    )


def _approved_size(given: GateInput, entry: Entry) -> tuple[Decimal, Decimal]:
    """Contracts and their margin, USDT."""
    assert entry.contracts is not None, "the size check refuses an entry without a size"
    assert entry.costliest is not None, "the margin checks refuse an entry without a price"
    assert entry.leverage is not None, "the leverage check refuses an entry without a leverage"
    size, price, leverage = entry.contracts, entry.costliest, entry.leverage
    return size, margin_of(given.instrument, contracts=size, price=price, leverage=leverage)


def _without_entry(effect: Effect, contracts: Decimal, sized: CheckResult | None) -> Verdict:
    """A verdict no entry check has a say in; each is listed as not applied, but for the size of an exit."""
    checks = tuple(
        sized
        if sized is not None and name is Refusal.SIZE
        else CheckResult(name=name, effect=Effect.PASS, value="not an entry", limit="not applied")
        for name in Refusal
    )
    approved = effect is Effect.PASS or (effect is Effect.HOLD and sized is None)
    return Verdict(approved=approved, effect=effect, contracts=contracts, leverage=None, margin=None, checks=checks)
