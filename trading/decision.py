"""What an analyst returns, whoever it is: one schema for rules and for Claude.

Pydantic validates it; the risk gate, not this schema, judges whether it is wise.
Prices in USDT; `size_pct` is margin as % of equity; `confidence` is a probability 0…1.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Price = Annotated[Decimal, Field(gt=0)]


class Action(StrEnum):
    """What to do with the instrument."""

    OPEN_LONG = "OPEN_LONG"
    OPEN_SHORT = "OPEN_SHORT"
    ADD = "ADD"
    REDUCE = "REDUCE"
    CLOSE = "CLOSE"
    HOLD = "HOLD"


OPENING = frozenset({Action.OPEN_LONG, Action.OPEN_SHORT})
ENTERING = OPENING | {Action.ADD}
EXITING = frozenset({Action.CLOSE, Action.REDUCE})


class Regime(StrEnum):
    """Market regime, judged on 4-hour candles."""

    TRENDING_UP = "trending_up"
    TRENDING_DOWN = "trending_down"
    VOLATILE = "volatile"
    RANGING = "ranging"
    UNKNOWN = "unknown"


INDICATORS = (
    "close", "rsi14", "macd", "macd_signal", "macd_hist", "bb_upper", "bb_middle", "bb_lower",
    "ema20", "ema50", "ema200", "atr14", "vwap", "adx14", "stochrsi_k", "stochrsi_d", "obv",
)  # fmt: skip
"""Names an invalidation condition may use, all computed on closed candles."""


class Invalidation(BaseModel):
    """A condition a machine can check: true on a closed candle means the reason for the position is gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    indicator: Literal[
        "close", "rsi14", "macd", "macd_signal", "macd_hist", "bb_upper", "bb_middle", "bb_lower",
        "ema20", "ema50", "ema200", "atr14", "vwap", "adx14", "stochrsi_k", "stochrsi_d", "obv",
    ]  # fmt: skip
    timeframe: Literal["5m", "15m", "1H", "4H"]
    comparison: Literal["above", "below"]
    level: Decimal


class Decision(BaseModel):
    """One decision about one instrument."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action: Action
    inst_id: str
    size_pct: Annotated[Decimal, Field(ge=0, le=100)] = Decimal(0)
    order_type: Literal["market", "limit"] = "market"
    limit_price: Price | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
    confidence: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(0)
    strategy: str = ""
    regime: Regime = Regime.UNKNOWN
    observations: tuple[str, ...] = ()
    risk_factors: tuple[str, ...] = ()
    reasoning: str = ""
    invalidation: Invalidation | None = None
    # What the analyst wants to know of the world before it decides here again.
    research_question: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _limit_has_a_price(self) -> Self:
        if self.order_type == "limit" and self.limit_price is None and self.action in ENTERING:
            raise ValueError("limit_price is required by order_type=limit")
        return self

    @classmethod
    def hold(cls, inst_id: str, reason: str) -> "Decision":
        """HOLD, with its reason: how everything that goes wrong on the way in ends."""
        return cls(action=Action.HOLD, inst_id=inst_id, reasoning=reason)
