"""The playbook: what the bot believes works, as data. Rules and models read the same one.

A version is a row with this content. Sizes are margin as % of equity,
confidence is a probability 0…1, hours are UTC, times are market time. Nothing here can loosen the risk gate.
"""

from bisect import bisect_left
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trading.closed_trade import ClosedTrade
from trading.decision import Regime

Probability = Annotated[Decimal, Field(ge=0, le=1)]
Percent = Annotated[Decimal, Field(ge=0, le=100)]
Hour = Annotated[int, Field(ge=0, le=23)]
Weekday = Annotated[int, Field(ge=0, le=6)]


class PlaybookError(LookupError):
    """The playbook lacks something a strategy needs."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegimeRule(_Frozen):
    """What to do in one market regime."""

    guidance: str
    directions: tuple[Literal["long", "short"], ...]
    size_factor: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(1)


class StrategyRule(_Frozen):
    """One strategy: when it is used, how large, and its parameters by name."""

    summary: str
    enabled: bool = True
    regimes: tuple[Regime, ...]
    size_pct: Percent
    parameters: dict[str, float]

    def parameter(self, name: str) -> float:
        """Raises PlaybookError when the playbook does not have it: strategies carry no defaults of their own."""
        try:
            return self.parameters[name]
        except KeyError:
            raise PlaybookError(f"the playbook has no parameter {name}") from None


class Scope(_Frozen):
    """Which trades something is about: all that fit everything named here. `hours` are those of the opening, UTC."""

    strategy: str | None = None
    regime: Regime | None = None
    side: Literal["long", "short"] | None = None
    hours: tuple[Hour, ...] = ()

    def covers(self, trade: ClosedTrade) -> bool:
        """Whether a trade is one of them."""
        return (
            self.strategy in (None, trade.strategy)
            and (self.regime is None or self.regime == trade.regime)
            and self.side in (None, trade.side)
            and (not self.hours or trade.opened_at.hour in self.hours)
        )

    def __str__(self) -> str:
        parts = [self.strategy, self.side, f"in {self.regime}" if self.regime else None]
        if self.hours:
            parts.append(f"at {', '.join(map(str, self.hours))} UTC")
        return " ".join(part for part in parts if part) or "everything"


class Lesson(_Frozen):
    """Something learned, with the trades it rests on (none, and no scope, for what was given at the start).

    A learned lesson says to avoid or to favour the trades of its scope, and expires unless newer trades renew it.
    """

    text: Annotated[str, Field(max_length=300)]
    trade_ids: tuple[int, ...] = ()
    stance: Literal["avoid", "favour"] | None = None
    scope: Scope | None = None
    expires_at: datetime | None = None
    renewals: Annotated[int, Field(ge=0)] = 0


class TimeFilter(_Frozen):
    """Hours (UTC) in which no position is opened; on all days, or on some (Monday is 0). Learned ones expire."""

    hours: tuple[Hour, ...]
    weekdays: tuple[Weekday, ...] = ()
    reason: str
    expires_at: datetime | None = None

    def applies(self, at: datetime) -> bool:
        """Whether entries are barred at this market time."""
        if self.expires_at is not None and at >= self.expires_at:
            return False
        return at.hour in self.hours and (not self.weekdays or at.weekday() in self.weekdays)


class Knot(_Frozen):
    """Where confidence `stated` has won in a share `won` of its trades."""

    stated: Probability
    won: Probability


class CalibrationCurve(_Frozen):
    """What the confidence of one source has been worth: linear between its knots, flat beyond them.

    It expires unless newer trades renew it: one that forbids every entry would otherwise forbid its own correction.
    """

    source: str
    trades: Annotated[int, Field(ge=1)]
    knots: Annotated[tuple[Knot, ...], Field(min_length=1)]
    expires_at: datetime | None = None

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(b.stated <= a.stated or b.won < a.won for a, b in pairwise(self.knots)):
            raise ValueError("the knots of a calibration curve must rise")
        return self

    def at(self, stated: Decimal) -> Decimal:
        """The calibrated probability."""
        above = bisect_left([knot.stated for knot in self.knots], stated)
        if above == 0:
            return self.knots[0].won
        if above == len(self.knots):
            return self.knots[-1].won
        left, right = self.knots[above - 1], self.knots[above]
        part = (stated - left.stated) / (right.stated - left.stated)
        return left.won + part * (right.won - left.won)


class Calibration(_Frozen):
    """What stated confidence counts as. Until a source has `min_trades`, no more than `stated_cap`."""

    min_trades: Annotated[int, Field(ge=1)] = 100
    stated_cap: Probability = Decimal("0.6")
    curves: tuple[CalibrationCurve, ...] = ()

    def curve_of(self, source: str, at: datetime) -> CalibrationCurve | None:
        """The curve in force at this market time for who stated it, if it rests on enough trades."""
        return next(
            (
                curve
                for curve in self.curves
                if curve.source == source
                and curve.trades >= self.min_trades
                and (curve.expires_at is None or at < curve.expires_at)
            ),
            None,
        )

    def calibrated(self, stated: Decimal, source: str, at: datetime) -> Decimal:
        """What a stated confidence counts as at this market time."""
        curve = self.curve_of(source, at)
        return min(stated, self.stated_cap) if curve is None else curve.at(stated)


class Playbook(_Frozen):
    """All of it. Under `confidence_floor` nothing is opened; from `full_size_confidence` on, with the full size."""

    confidence_floor: Probability
    full_size_confidence: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.4")
    regimes: dict[Regime, RegimeRule]
    strategies: dict[str, StrategyRule]
    lessons: tuple[Lesson, ...] = ()
    time_filters: tuple[TimeFilter, ...] = ()
    calibration: Calibration = Calibration()

    def strategies_for(self, regime: Regime) -> list[tuple[str, StrategyRule]]:
        """The enabled strategies of a regime, in the playbook's order."""
        return [(name, rule) for name, rule in self.strategies.items() if rule.enabled and regime in rule.regimes]

    def size_pct(self, strategy: str, regime: Regime) -> Decimal:
        """Margin as % of equity; zero where the regime has no rule. Raises PlaybookError on an unknown strategy."""
        if strategy not in self.strategies:
            raise PlaybookError(f"the playbook has no strategy {strategy}")
        rule = self.regimes.get(regime)
        return Decimal(0) if rule is None else self.strategies[strategy].size_pct * rule.size_factor

    def barred(self, at: datetime) -> TimeFilter | None:
        """The time filter that bars entries at this market time, if one does."""
        return next((item for item in self.time_filters if item.applies(at)), None)
