"""The playbook: what the bot believes works, as data. Rules and models read the same one.

A version is a row with this content. Sizes are margin as % of equity,
confidence is a probability 0…1, hours are UTC. Nothing here can loosen the risk gate.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Lesson(_Frozen):
    """Something learned, with the trades it rests on (none for what was given at the start)."""

    text: str
    trade_ids: tuple[int, ...] = ()


class TimeFilter(_Frozen):
    """Hours (UTC) in which no position is opened; on all days, or on some (Monday is 0)."""

    hours: tuple[Hour, ...]
    weekdays: tuple[Weekday, ...] = ()
    reason: str

    def applies(self, at: datetime) -> bool:
        """Whether entries are barred at this market time."""
        return at.hour in self.hours and (not self.weekdays or at.weekday() in self.weekdays)


class CalibrationBin(_Frozen):
    """Stated confidence from `low` up to `high`: how many such trades closed and how many won."""

    low: Probability
    high: Probability
    trades: Annotated[int, Field(ge=0)]
    wins: Annotated[int, Field(ge=0)]


class Calibration(_Frozen):
    """What stated confidence has been worth."""

    min_trades: Annotated[int, Field(ge=1)] = 20
    bins: tuple[CalibrationBin, ...] = ()

    def calibrated(self, stated: Decimal) -> Decimal:
        """The share of such trades that won; `stated` itself until a bin has enough of them."""
        for item in self.bins:
            inside = item.low <= stated < item.high or stated == item.high == 1
            if inside and item.trades >= self.min_trades:
                return Decimal(item.wins) / item.trades
        return stated


class Playbook(_Frozen):
    """All of it."""

    confidence_floor: Probability
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
