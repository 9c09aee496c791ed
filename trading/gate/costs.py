"""What a round trip costs, in USDT per coin. Taker fees both ways, because stops and market-like entries take.

Funding is charged when the next settlement falls within the assumed holding time and this side pays; a payment we
would receive is not credited. The rules hold for hours, not days, so one settlement is the most that is assumed.
"""

from datetime import timedelta
from decimal import Decimal

from trading.entry_price import Direction
from trading.gate.verdict import GateInput

ASSUMED_HOLDING = timedelta(hours=4)


def round_trip_fees(entry_price: Decimal, exit_price: Decimal, taker_fee_rate: Decimal) -> Decimal:
    """Fees per coin of entering at one price and leaving at the other."""
    return (entry_price + exit_price) * taker_fee_rate


def funding_cost(given: GateInput, direction: Direction, entry_price: Decimal) -> Decimal | None:
    """Funding per coin expected to be paid while holding, never negative; None when it cannot be known."""
    rate, due = given.live.funding_rate, given.live.next_funding_at
    if rate is None or due is None:
        return None
    if due - given.market_now > ASSUMED_HOLDING:
        return Decimal(0)
    paid = rate if direction == "long" else -rate
    return max(paid, Decimal(0)) * entry_price
