"""The judge of a patch: which of its changes the playbook takes over, and why not the others.

Each change is judged alone and in order, on what the ones before have made of the playbook. A refused change costs
the others nothing. Pure: the same playbook, patch and trades give the same answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading.closed_trade import ClosedTrade
from trading.playbook import bounds
from trading.playbook.bounds import HardLimits
from trading.playbook.content import Playbook, Scope, TimeFilter
from trading.playbook.default import default_playbook
from trading.playbook.evidence import BOLD_LEVEL, CAUTIOUS_LEVEL, NotShown, cited, enough, shows
from trading.playbook.lessons import forget, learn
from trading.playbook.patch import (
    AvoidHours,
    ConfidenceFloor,
    Forget,
    Learn,
    Parameter,
    Patch,
    PatchChange,
    RegimeSize,
    StrategySize,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One change with its fate; `why` is empty for one that was taken over."""

    change: PatchChange
    accepted: bool
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What changes are judged by: all closed trades, and by path of the playbook those that have changed it before."""

    trades: Mapping[int, ClosedTrade]
    used: Mapping[str, frozenset[int]]
    limits: HardLimits
    at: datetime

    def new_enough(self, change: PatchChange, found: Sequence[ClosedTrade]) -> None:
        """Raises NotShown when the cited trades are too few, or have spoken for this rule before."""
        enough(found, bounds.LEAST_TRADES[change.kind], self.used.get(change.path, frozenset()))


class Refused(ValueError):
    """A change beyond its bounds; the text says which."""


def judge_patch(playbook: Playbook, patch: Patch, evidence: Evidence) -> tuple[Playbook, tuple[Judged, ...]]:
    """The playbook with the changes that hold, and every change with its fate. At most five are taken over."""
    judged: list[Judged] = []
    for change in patch.changes:
        try:
            if sum(one.accepted for one in judged) >= bounds.MOST_CHANGES:
                raise Refused(f"one reflection changes at most {bounds.MOST_CHANGES} things")
            if any(one.accepted and one.change.path == change.path for one in judged):
                raise Refused("this was changed already by the same reflection")
            playbook = Playbook.model_validate(_JUDGES[type(change)](playbook, change, evidence).model_dump())
            judged.append(Judged(change, True, ""))
        except (Refused, NotShown) as refusal:
            judged.append(Judged(change, False, str(refusal)))
    return playbook, tuple(judged)


def _strategy_size(playbook: Playbook, change: StrategySize, evidence: Evidence) -> Playbook:
    rule = playbook.strategies.get(change.strategy)
    if rule is None:
        raise Refused(f"the playbook has no strategy {change.strategy[:40]}")
    first = default_playbook().strategies.get(change.strategy, rule).size_pct
    most = min(evidence.limits.max_trade_margin_pct, max(first, rule.size_pct))
    _stepped(rule.size_pct, change.size_pct, first * bounds.LEAST_SIZE, most, "size")
    _justified(change, evidence, Scope(strategy=change.strategy).covers, change.size_pct > rule.size_pct)
    sized = rule.model_copy(update={"size_pct": change.size_pct})
    return playbook.model_copy(update={"strategies": playbook.strategies | {change.strategy: sized}})


def _regime_size(playbook: Playbook, change: RegimeSize, evidence: Evidence) -> Playbook:
    rule = playbook.regimes.get(change.regime)
    if rule is None:
        raise Refused(f"the playbook has no rule for {change.regime}")
    first = default_playbook().regimes[change.regime].size_factor
    _stepped(rule.size_factor, change.size_factor, first * bounds.LEAST_SIZE, Decimal(1), "factor")
    _justified(change, evidence, Scope(regime=change.regime).covers, change.size_factor > rule.size_factor)
    sized = rule.model_copy(update={"size_factor": change.size_factor})
    return playbook.model_copy(update={"regimes": playbook.regimes | {change.regime: sized}})


def _parameter(playbook: Playbook, change: Parameter, evidence: Evidence) -> Playbook:
    rule = playbook.strategies.get(change.strategy)
    if rule is None or change.name not in rule.parameters:
        raise Refused(f"the playbook has no parameter {change.name[:40]} of {change.strategy[:40]}")
    now = rule.parameters[change.name]
    given = default_playbook().strategies.get(change.strategy, rule).parameters.get(change.name, now)
    low, high = sorted(given * each for each in bounds.PARAMETER_RANGE)
    if not low <= change.value <= high:
        raise Refused(f"{change.name} must stay between {low:g} and {high:g}")
    if change.value == now:
        raise Refused(f"{change.name} is {now:g} already")
    if abs(change.value - now) > abs(now) * bounds.LARGEST_PARAMETER_STEP + 1e-9:
        raise Refused(f"{change.name} moves by at most {bounds.LARGEST_PARAMETER_STEP:.0%} at once, from {now:g}")
    # What works is left alone: a number is tried only where the strategy has been losing.
    _justified(change, evidence, Scope(strategy=change.strategy).covers, more_risk=False)
    tuned = rule.model_copy(update={"parameters": rule.parameters | {change.name: change.value}})
    return playbook.model_copy(update={"strategies": playbook.strategies | {change.strategy: tuned}})


def _confidence_floor(playbook: Playbook, change: ConfidenceFloor, evidence: Evidence) -> Playbook:
    now, (low, high) = playbook.confidence_floor, bounds.FLOOR_RANGE
    if not low <= change.value <= high:
        raise Refused(f"the confidence floor must stay between {low} and {high}")
    if change.value == now:
        raise Refused(f"the confidence floor is {now} already")
    if abs(change.value - now) > bounds.LARGEST_FLOOR_STEP:
        raise Refused(f"the confidence floor moves by at most {bounds.LARGEST_FLOOR_STEP} at once, from {now}")
    edge = max(change.value, now + bounds.LARGEST_FLOOR_STEP if change.value < now else change.value)

    def about(trade: ClosedTrade) -> bool:
        """Raising: the trades it would have kept out. Lowering: those nearest above the present floor."""
        return trade.confidence is not None and trade.confidence < edge

    _justified(change, evidence, about, change.value < now)
    return playbook.model_copy(update={"confidence_floor": change.value})


def _avoid_hours(playbook: Playbook, change: AvoidHours, evidence: Evidence) -> Playbook:
    if not change.hours:
        raise Refused("it names no hours")
    kept = tuple(f for f in playbook.time_filters if f.expires_at is None or f.expires_at > evidence.at)
    barred = {hour for item in kept if item.expires_at is not None for hour in item.hours}
    if set(change.hours) <= barred:
        raise Refused("these hours are avoided already")
    if len(barred | set(change.hours)) > bounds.MOST_HOURS:
        raise Refused(f"at most {bounds.MOST_HOURS} hours of a day are avoided")
    found = cited(change.trade_ids, evidence.trades, Scope(hours=change.hours).covers)
    evidence.new_enough(change, found)
    # Of 24 hours some look bad by chance: this asks for the wider interval although it takes less risk.
    shows(found, -1, BOLD_LEVEL)
    new = TimeFilter(
        hours=tuple(sorted(set(change.hours))), reason=change.reason, expires_at=evidence.at + bounds.FILTER_LIFE
    )
    return playbook.model_copy(update={"time_filters": (*kept, new)})


def _learn(playbook: Playbook, change: Learn, evidence: Evidence) -> Playbook:
    used = evidence.used.get(change.path, frozenset())
    return learn(playbook, change, evidence.trades, evidence.at, used)


def _forget(playbook: Playbook, change: Forget, evidence: Evidence) -> Playbook:
    return forget(playbook, change, evidence.trades)


def _stepped(now: Decimal, new: Decimal, least: Decimal, most: Decimal, name: str) -> None:
    if not least <= new <= most:
        raise Refused(f"the {name} must stay between {least.normalize():f} and {most.normalize():f}")
    if new == now:
        raise Refused(f"the {name} is {now} already")
    if abs(new - now) > now * bounds.LARGEST_STEP:
        raise Refused(f"the {name} moves by at most {bounds.LARGEST_STEP:.0%} at once, from {now}")


def _justified(change: PatchChange, evidence: Evidence, about: Callable[[ClosedTrade], bool], more_risk: bool) -> None:
    """Raises NotShown. More risk needs profits beyond doubt; less risk needs losses that are likely no chance."""
    found = cited(change.trade_ids, evidence.trades, about)
    evidence.new_enough(change, found)
    shows(found, 1 if more_risk else -1, BOLD_LEVEL if more_risk else CAUTIOUS_LEVEL)


_JUDGES: dict[type, Callable[..., Playbook]] = {
    StrategySize: _strategy_size,
    RegimeSize: _regime_size,
    Parameter: _parameter,
    ConfidenceFloor: _confidence_floor,
    AvoidHours: _avoid_hours,
    Learn: _learn,
    Forget: _forget,
}
