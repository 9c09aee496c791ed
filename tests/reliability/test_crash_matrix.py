"""A worker killed at every point of sending an order: one order at most, and in the end the books equal the exchange.

Every point with each kind of order; `make soak` runs each of these under every misfortune.
"""

import pytest

from soak import crash
from trading.orders import Leg, OrderState

ENDS_IN = {
    # What may be left of the order that was being sent: an absent close or stop is tried again as a new intent.
    Leg.ENTRY: {OrderState.FILLED: 1, OrderState.ABSENT: 0},
    Leg.STOP: {OrderState.LIVE: 1},
    Leg.CLOSE: {OrderState.FILLED: 1},
}


@pytest.fixture(scope="module", autouse=True)
def _workers(stack):
    stack.start_workers("trade", "protect")


@pytest.fixture(autouse=True)
def _flat_afterwards(stack):
    yield
    crash.clear(stack)


@pytest.mark.parametrize("cell", list(crash.representative()), ids=str)
def test_one_order_at_most_and_the_books_equal_the_exchange(stack, cell):
    result = crash.run_cell(stack, cell)
    assert result.left == []
    assert result.accepted == ENDS_IN[cell.leg][result.state]
    if cell.leg is Leg.ENTRY and cell.action == "kill":
        # Nothing but the claim without a call loses the order; and that is found out, not sent again.
        assert (result.state == OrderState.ABSENT) == (cell.point == "after_claim")
