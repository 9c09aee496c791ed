"""Reflection by rules: the few conclusions plain statistics allow, proposed like a model would and judged the same.

It moves sizes by a fifth, avoids hours, and writes down which trades pay and which do not. It invents no idea, tunes
no parameter, and says that it is rules. Deterministic; without a model the bot learns this much.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from brain.reflection import ReflectionRequest, ReflectionResult
from trading.closed_trade import ClosedTrade
from trading.decision import Regime
from trading.intervals import mean_interval
from trading.playbook import Playbook, Scope, bounds, default_playbook
from trading.playbook.evidence import BOLD_LEVEL, CAUTIOUS_LEVEL
from trading.playbook.lessons import SIGNS, lesson_about
from trading.playbook.patch import AvoidHours, Forget, Learn, Patch, PatchChange, RegimeSize, StrategySize

SMALLER, LARGER = Decimal("0.8"), Decimal("1.2")
HUNDREDTH = Decimal("0.01")
LATELY = 60
"""Trades of a kind that are looked at, the newest."""
RENEWED_BY = 5
"""New trades that say the same; each window's one would make a version of its own."""


class RulesReflector:
    """The reflector without a model."""

    name = "rules"

    def reflect(self, request: ReflectionRequest) -> ReflectionResult:
        """Always a patch, often an empty one."""
        found: list[PatchChange] = [
            *_strategies(request), *_regimes(request), *_hours(request), *_outlived(request), *_lessons(request),
        ]  # fmt: skip
        changes = found[: bounds.MOST_CHANGES]
        total = request.statistics["all"]["all"]
        figures = f"mean {_signed(total.mean_r)} R"
        if total.mean_r_interval is not None:
            figures += f" (90 % interval {total.mean_r_interval[0]:+.2f} to {total.mean_r_interval[1]:+.2f})"
        said = f"{len(changes)} proposed" if changes else "nothing beyond chance"
        return ReflectionResult(Patch(summary=f"rules, not a model: {figures}; {said}", changes=tuple(changes)))


def _strategies(request: ReflectionRequest) -> Iterator[StrategySize]:
    first = default_playbook()
    for name, rule in request.playbook.strategies.items():
        path = f"strategies.{name}.size_pct"
        found = _new(request, path, Scope(strategy=name).covers)
        verdict = _verdict(found)
        given = first.strategies.get(name, rule).size_pct
        most = min(given, request.limits.max_trade_margin_pct)
        size = _moved(rule.size_pct, verdict, given * bounds.LEAST_SIZE, most)
        if size is not None and len(found) >= bounds.LEAST_TRADES["strategy_size"]:
            yield StrategySize(strategy=name, size_pct=size, trade_ids=_ids(found), reason=_said(name, found))


def _regimes(request: ReflectionRequest) -> Iterator[RegimeSize]:
    first = default_playbook()
    for regime, rule in request.playbook.regimes.items():
        found = _new(request, f"regimes.{regime}.size_factor", Scope(regime=regime).covers)
        given = first.regimes[regime].size_factor
        factor = _moved(rule.size_factor, _verdict(found), given * bounds.LEAST_SIZE, given)
        if factor is not None and len(found) >= bounds.LEAST_TRADES["regime_size"]:
            reason = _said(f"a {regime} market", found)
            yield RegimeSize(regime=regime, size_factor=factor, trade_ids=_ids(found), reason=reason)


def _hours(request: ReflectionRequest) -> Iterator[AvoidHours]:
    for hour in range(24):
        if request.playbook.barred(request.at.replace(hour=hour)) is not None:
            continue
        found = _new(request, f"time_filters.{hour:02d}", Scope(hours=(hour,)).covers)
        if len(found) < bounds.LEAST_TRADES["avoid_hours"]:
            continue
        interval = _interval(found, BOLD_LEVEL)
        if interval is not None and interval[1] < 0:
            yield AvoidHours(hours=(hour,), trade_ids=_ids(found), reason=_said(f"the hour {hour:02d} UTC", found))


def _lessons(request: ReflectionRequest) -> Iterator[Learn]:
    """Of each strategy in each regime, and of each side in each regime."""
    strategies = [Scope(strategy=s, regime=r) for s in request.playbook.strategies for r in Regime]
    sides: tuple[Literal["long", "short"], ...] = ("long", "short")
    for scope in strategies + [Scope(side=side, regime=r) for side in sides for r in Regime]:
        if lesson_about(request.playbook, scope) is None:
            found = _new(request, f"lessons.{scope}", scope.covers)
        else:
            found = _lately(request.trades, scope.covers)
        verdict = _verdict(found)
        if len(found) < bounds.LEAST_TRADES["lesson"] or verdict == 0:
            continue
        if not _has_news(request.playbook, scope, found, request.at):
            continue
        stance: Literal["avoid", "favour"] = "favour" if verdict > 0 else "avoid"
        text = _said(str(scope), found)
        yield Learn(scope=scope, stance=stance, text=text, trade_ids=_ids(found), reason=f"{stance} {text}")


def _outlived(request: ReflectionRequest) -> Iterator[Forget]:
    """Lessons that the trades since have not borne out."""
    for lesson in request.playbook.lessons:
        if lesson.scope is None or lesson.stance is None:
            continue
        found = _lately(request.trades, lesson.scope.covers)
        since = [t for t in found if t.trade_id not in lesson.trade_ids]
        if len(since) >= bounds.LEAST_TRADES["forget"] and _verdict(found) != SIGNS[lesson.stance]:
            reason = f"no longer {lesson.stance} {_said(str(lesson.scope), found)}"
            yield Forget(scope=lesson.scope, trade_ids=_ids(since), reason=reason)


def _has_news(playbook: Playbook, scope: Scope, found: Sequence[ClosedTrade], at: datetime) -> bool:
    """Whether a lesson of this scope would rest on trades its present one has not seen: on a few, or on one when it
    would soon expire."""
    before = lesson_about(playbook, scope)
    if before is None:
        return True
    new = sum(t.trade_id not in before.trade_ids for t in found)
    ending = before.expires_at is not None and before.expires_at - at < bounds.LESSON_LIFE / 3
    return new >= RENEWED_BY or (new > 0 and ending)


def _new(request: ReflectionRequest, path: str, about: Callable[[ClosedTrade], bool]) -> list[ClosedTrade]:
    """Trades that have not moved this number before: nothing is held against it twice."""
    used = request.used.get(path, frozenset())
    return [t for t in _lately(request.trades, about) if t.trade_id not in used]


def _lately(trades: Sequence[ClosedTrade], about: Callable[[ClosedTrade], bool]) -> list[ClosedTrade]:
    return [t for t in trades if about(t)][-LATELY:]


def _interval(found: Sequence[ClosedTrade], level: float) -> tuple[float, float] | None:
    return mean_interval([float(t.r) for t in found if t.r is not None], level)


def _verdict(found: Sequence[ClosedTrade]) -> int:
    """−1: loses, likely not by chance; 1: earns beyond doubt; 0: neither is known."""
    cautious, bold = _interval(found, CAUTIOUS_LEVEL), _interval(found, BOLD_LEVEL)
    if cautious is None or bold is None:
        return 0
    return -1 if cautious[1] < 0 else 1 if bold[0] > 0 else 0


def _moved(now: Decimal, verdict: int, least: Decimal, most: Decimal) -> Decimal | None:
    """A fifth less or more, within bounds; None where nothing moves."""
    if verdict == 0:
        return None
    new = (now * (LARGER if verdict > 0 else SMALLER)).quantize(HUNDREDTH, ROUND_HALF_EVEN)
    new = min(max(new, least), max(most, least))
    moves = new > now if verdict > 0 else new < now
    return new if moves else None


def _said(what: str, found: Sequence[ClosedTrade]) -> str:
    r = [float(t.r) for t in found if t.r is not None]
    interval = mean_interval(r, CAUTIOUS_LEVEL)
    mean = sum(r) / len(r) if r else None
    spread = "" if interval is None else f" (80 % interval {interval[0]:+.2f} to {interval[1]:+.2f})"
    return f"{what}: {len(found)} trades, {sum(t.won for t in found)} won, mean {_signed(mean)} R{spread}"


def _ids(found: Sequence[ClosedTrade]) -> tuple[int, ...]:
    return tuple(t.trade_id for t in found)


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.2f}"
