"""A decision as Opus writes it: plain JSON types, every field required, converted to `trading.decision.Decision`.

Bounds are not in the wire schema (the API does not enforce them); `Decision` has them. A number becomes a Decimal by
its shortest decimal form, which is the form the model wrote.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from brain.facts import plain
from trading.decision import ENTERING, INDICATORS, Action, Decision, Invalidation, Regime
from trading.invalidation import describe, is_invalidated
from trading.snapshot import FrameIndicators

MAX_QUESTION = 200


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WireInvalidation(_Wire):
    indicator: str
    timeframe: Literal["5m", "15m", "1H", "4H"]
    comparison: Literal["above", "below"]
    level: FiniteFloat


class WireDecision(_Wire):
    action: Literal["OPEN_LONG", "OPEN_SHORT", "ADD", "REDUCE", "CLOSE", "HOLD"]
    inst_id: str
    size_pct: FiniteFloat
    order_type: Literal["market", "limit"]
    limit_price: FiniteFloat | None
    stop_loss: FiniteFloat | None
    take_profit: FiniteFloat | None
    confidence: FiniteFloat
    strategy: str
    regime: Literal["trending_up", "trending_down", "volatile", "ranging", "unknown"]
    observations: list[str]
    risk_factors: list[str]
    reasoning: str
    invalidation: WireInvalidation | None
    research_question: str | None


def wire_schema(instruments: tuple[str, ...]) -> dict[str, Any]:
    """JSON schema for `output_config.format`, the same for every instrument so that the prompt cache holds."""
    schema = WireDecision.model_json_schema()
    schema["properties"]["inst_id"] = {"type": "string", "enum": list(instruments)}
    schema["$defs"]["WireInvalidation"]["properties"]["indicator"] = {"type": "string", "enum": list(INDICATORS)}
    return schema


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model may choose from: this instrument, sizes up to `max_size_pct`, indicators with a value."""

    inst_id: str
    max_size_pct: Decimal
    frames: dict[str, FrameIndicators]


def to_decision(answer: dict[str, Any], offer: Offer) -> Decision:
    """The decision in a model's JSON. Raises ValueError when it does not fit or lies outside what was offered."""
    decision = _parsed(answer)
    if decision.inst_id != offer.inst_id:
        raise ValueError(f"decided about another instrument than {offer.inst_id}")
    if decision.action in ENTERING:
        _check_entry(decision, offer)
    if decision.action is Action.REDUCE and not 0 < decision.size_pct <= 100:
        raise ValueError(f"a reduction by {decision.size_pct} % was not offered: above 0, at most 100")
    return decision


def _check_entry(decision: Decision, offer: Offer) -> None:
    if not 0 < decision.size_pct <= offer.max_size_pct:
        raise ValueError(f"a size of {decision.size_pct} % was not offered: above 0, at most {offer.max_size_pct}")
    if decision.invalidation is None:
        raise ValueError("an entry without an invalidation condition")
    true_now = is_invalidated(decision.invalidation, offer.frames)
    if true_now is None:
        raise ValueError(f"an invalidation that cannot be checked: {describe(decision.invalidation)}")
    if true_now:
        raise ValueError(f"an invalidation that is true already: {describe(decision.invalidation)}")


def _parsed(answer: dict[str, Any]) -> Decision:
    wire = WireDecision.model_validate(answer)
    condition = wire.invalidation
    return Decision(
        action=Action(wire.action),
        inst_id=wire.inst_id,
        size_pct=_exact(wire.size_pct),
        order_type=wire.order_type,
        limit_price=_maybe(wire.limit_price),
        stop_loss=_maybe(wire.stop_loss),
        take_profit=_maybe(wire.take_profit),
        confidence=_exact(wire.confidence),
        strategy=wire.strategy,
        regime=Regime(wire.regime),
        observations=tuple(wire.observations),
        risk_factors=tuple(wire.risk_factors),
        reasoning=wire.reasoning,
        invalidation=None
        if condition is None
        else Invalidation.model_validate(condition.model_dump() | {"level": _exact(condition.level)}),
        research_question=plain(wire.research_question or "")[:MAX_QUESTION] or None,
    )


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _maybe(number: float | None) -> Decimal | None:
    return None if number is None else _exact(number)
