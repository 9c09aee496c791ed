"""Where the stop of a position in profit should stand, by two rules measured in R. Prices in USDT.

R is the risk the plan took: the distance from the position's average price to its planned stop. Break-even: from
`break_even_at_r` R of profit on, closing costs nothing. Trailing: the stop stays `trail_r` R behind the price. Both
only ever ask for less risk than there is, and for a step worth an amendment.
"""

from dataclasses import dataclass
from decimal import Decimal

from trading.instrument import Instrument
from trading.stop_prices import reduces_risk, triggers_at_once

STEP_R = Decimal("0.1")  # what a move must gain at least


@dataclass(frozen=True, slots=True)
class StopRules:
    """Zero switches a rule off."""

    break_even_at_r: Decimal = Decimal(0)
    trail_r: Decimal = Decimal(0)

    @property
    def any(self) -> bool:
        """Whether one of them is on."""
        return self.break_even_at_r > 0 or self.trail_r > 0


@dataclass(frozen=True, slots=True)
class Holding:
    """A covered position: `contracts` signed; `stop` where it stands, `planned` where the plan had it."""

    contracts: Decimal
    avg_px: Decimal
    planned: Decimal
    stop: Decimal

    @property
    def risk(self) -> Decimal:
        """One R, USDT of price; zero or less when the plan's stop does not lie on the losing side."""
        return (self.avg_px - self.planned) * (1 if self.contracts > 0 else -1)

    def gain(self, last: Decimal) -> Decimal:
        """Profit in USDT of price."""
        return (last - self.avg_px) * (1 if self.contracts > 0 else -1)


def break_even_due(rules: StopRules, held: Holding, last: Decimal) -> bool:
    """Whether the profit has reached the first rule's mark while the stop still stands on the losing side."""
    if rules.break_even_at_r <= 0 or held.risk <= 0 or not reduces_risk(held.contracts, held.stop, held.avg_px):
        return False
    return held.gain(last) >= rules.break_even_at_r * held.risk


def wanted_stop(
    rules: StopRules, held: Holding, last: Decimal, instrument: Instrument, break_even: Decimal | None = None
) -> Decimal | None:
    """The price the stop should move to now, on the tick; None while it should stay.

    `break_even`: where closing leaves nothing gained or lost, given when `break_even_due` says so.
    """
    risk, long = held.risk, held.contracts > 0
    if risk <= 0:
        return None
    wanted = [] if break_even is None else [break_even]
    if rules.trail_r > 0:
        behind = rules.trail_r * risk
        wanted.append(instrument.round_price(last - behind if long else last + behind, "down" if long else "up"))
    safe = [price for price in wanted if price > 0 and not triggers_at_once(held.contracts, last, price)]
    if not safe:
        return None
    best = max(safe) if long else min(safe)
    worth = abs(best - held.stop) >= STEP_R * risk
    return best if worth and reduces_risk(held.contracts, held.stop, best) else None
