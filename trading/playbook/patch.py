"""What a reflection proposes: changes to the playbook, each with the closed trades it rests on.

Only the playbook's own rules can be named here; the hard limits are settings and have no place in it. A change is a
proposal: `trading.playbook.validation` decides.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from trading.decision import Regime
from trading.playbook.content import Hour, Probability, Scope

TradeId = Annotated[int, Field(ge=1, lt=2**63)]
Number = Annotated[Decimal, Field(allow_inf_nan=False)]


class _Change(BaseModel):
    """`trade_ids`: closed trades; `reason`: one sentence for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trade_ids: Annotated[tuple[TradeId, ...], Field(max_length=500)]
    reason: Annotated[str, Field(max_length=300)]


class StrategySize(_Change):
    """The margin of a strategy, % of equity."""

    kind: Literal["strategy_size"] = "strategy_size"
    strategy: str
    size_pct: Number

    @property
    def path(self) -> str:
        return f"strategies.{self.strategy}.size_pct"


class RegimeSize(_Change):
    """What every size is multiplied with in a regime."""

    kind: Literal["regime_size"] = "regime_size"
    regime: Regime
    size_factor: Number

    @property
    def path(self) -> str:
        return f"regimes.{self.regime}.size_factor"


class Parameter(_Change):
    """A number of a strategy."""

    kind: Literal["parameter"] = "parameter"
    strategy: str
    name: str
    value: FiniteFloat

    @property
    def path(self) -> str:
        return f"strategies.{self.strategy}.parameters.{self.name}"


class ConfidenceFloor(_Change):
    """The confidence under which nothing is opened."""

    kind: Literal["confidence_floor"] = "confidence_floor"
    value: Probability

    @property
    def path(self) -> str:
        return "confidence_floor"


class AvoidHours(_Change):
    """Hours of the day, UTC, in which nothing is opened for a while."""

    kind: Literal["avoid_hours"] = "avoid_hours"
    hours: tuple[Hour, ...]

    @property
    def path(self) -> str:
        return f"time_filters.{','.join(f'{hour:02d}' for hour in self.hours)}"


class Learn(_Change):
    """A lesson: trades of `scope` are to be avoided or favoured. Learnt again, it is renewed."""

    kind: Literal["lesson"] = "lesson"
    scope: Scope
    stance: Literal["avoid", "favour"]
    text: Annotated[str, Field(max_length=300)]

    @property
    def path(self) -> str:
        return f"lessons.{self.scope}"


class Forget(_Change):
    """A lesson that no longer holds; cites the trades that say so."""

    kind: Literal["forget"] = "forget"
    scope: Scope

    @property
    def path(self) -> str:
        return f"lessons.{self.scope}"


PatchChange = Annotated[
    StrategySize | RegimeSize | Parameter | ConfidenceFloor | AvoidHours | Learn | Forget, Field(discriminator="kind")
]


class Patch(BaseModel):
    """The whole proposal; `summary` says what was found, whether or not anything is to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    summary: Annotated[str, Field(max_length=1500)]
    changes: tuple[PatchChange, ...] = ()
