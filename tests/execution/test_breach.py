"""The monitor's two limits weigh a loss against the money that is there."""

from decimal import Decimal

import pytest

from execution.breach import breach_of
from models import BotState

D = Decimal


@pytest.mark.parametrize(
    "moved, lost, kind",
    [
        (0, 300, None),
        (0, 301, "daily_loss"),
        (-8000, 60, None),  # 2,000 are left: 3 % of them
        (-8000, 61, "daily_loss"),
        (10000, 600, None),  # 20,000 are there
        (10000, 601, "daily_loss"),
        (-10000, 61, None),  # nothing to lose
    ],
)
def test_a_loss_is_a_share_of_what_transfers_have_left(moved: int, lost: int, kind: str | None) -> None:
    state = BotState(equity=D(10000 - lost), day_baseline=D(10000), peak_equity=D(10000), transfers_total=D(moved))
    found = breach_of(state, D(3), D(10))
    assert (found[0] if found else None) == kind


def test_a_drawdown_is_found_when_the_day_is_well() -> None:
    state = BotState(equity=D(8900), day_baseline=D(8900), peak_equity=D(10000), transfers_total=D(0))
    found = breach_of(state, D(3), D(10))
    assert found is not None
    assert found[0] == "drawdown"
    assert "11.00 %" in found[1]
