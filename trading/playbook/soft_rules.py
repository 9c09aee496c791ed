"""What the playbook allows of one entry, looked up for the gate: the rules the bot has given itself.

They are applied by code after the model has spoken, whatever it says. They can only forbid or shrink.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trading.closed_trade import strategy_name
from trading.decision import Decision, Regime
from trading.playbook.content import Playbook


class SoftRules(BaseModel):
    """Of one decision at one time. `size_pct` is margin as % of equity; zero with the reason in `sizing`.

    `confidence` is what the stated one counts as, `basis` why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    playbook_version: int
    strategy: str
    regime: Regime
    directions: tuple[Literal["long", "short"], ...]
    size_pct: Decimal
    sizing: str
    barred: str | None
    confidence: Decimal
    basis: str
    floor: Decimal
    full_size: Decimal

    @property
    def confident_size_pct(self) -> Decimal:
        """The size left by confidence: in full from `full_size` on, below it in proportion."""
        return self.size_pct * min(Decimal(1), self.confidence / self.full_size)


def soft_rules(
    playbook: Playbook, version: int, decision: Decision, *, regime: Regime, at: datetime, source: str
) -> SoftRules:
    """The rules for `decision`. `regime` is the one computed from candles, not what the model calls it; `at` is
    market time; `source` is who stated the confidence."""
    strategy = strategy_name(decision.strategy)
    rule, regime_rule = playbook.strategies.get(strategy), playbook.regimes.get(regime)
    size, sizing = Decimal(0), f"{strategy} in {regime}"
    if rule is None:
        sizing = f"the playbook has no strategy {strategy[:40]}"
    elif not rule.enabled:
        sizing = f"{strategy} is disabled"
    elif regime_rule is None or regime not in rule.regimes:
        sizing = f"{strategy} is not for a {regime} market"
    else:
        size = playbook.size_pct(strategy, regime)
    barred = playbook.barred(at)
    curve = playbook.calibration.curve_of(source, at)
    stated = decision.confidence
    confidence = playbook.calibration.calibrated(stated, source, at)
    if curve is not None:
        basis = f"stated {stated:f}, calibrated on {curve.trades} trades"
    else:
        capped = f", capped at {playbook.calibration.stated_cap:f}" if confidence < stated else ""
        basis = f"stated {stated:f}{capped}"
    return SoftRules(
        playbook_version=version,
        strategy=strategy,
        regime=regime,
        directions=() if regime_rule is None else regime_rule.directions,
        size_pct=size,
        sizing=sizing,
        barred=None if barred is None else barred.reason,
        confidence=confidence,
        basis=basis,
        floor=playbook.confidence_floor,
        full_size=playbook.full_size_confidence,
    )
