"""How far a reflection may move the playbook: by how much at once, within what, on how many trades."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

MOST_CHANGES = 5
"""Of one reflection; what it proposes beyond them is refused."""
LEAST_TRADES = {
    "strategy_size": 10,
    "regime_size": 10,
    "parameter": 20,
    "confidence_floor": 20,
    "avoid_hours": 8,
    "lesson": 10,
    "forget": 8,
}
LARGEST_STEP = Decimal("0.25")
"""Of a size or a factor, as a share of what it was."""
LARGEST_PARAMETER_STEP = 0.1
PARAMETER_RANGE = (0.5, 2.0)
"""Of a parameter, as multiples of the first version's."""
LEAST_SIZE = Decimal("0.25")
"""Of a strategy's or a regime's size, as a share of the first version's: evidence must go on coming in."""
FLOOR_RANGE = (Decimal("0.2"), Decimal("0.8"))
LARGEST_FLOOR_STEP = Decimal("0.05")
MOST_HOURS = 6
"""Of a day that learned filters may bar altogether."""
FILTER_LIFE = timedelta(days=7)
LESSON_LIFE = timedelta(days=14)
MOST_LESSONS = 12
MOST_EVIDENCE = 60
"""Trade ids kept with a lesson, the newest."""


@dataclass(frozen=True, slots=True)
class HardLimits:
    """What the settings say, which no playbook may promise more than."""

    max_trade_margin_pct: Decimal
