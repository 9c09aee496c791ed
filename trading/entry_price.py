"""What an entry may cost at worst: the one formula behind the gate's judgement and the order's limit. Prices in USDT.

A fill lies between the order's limit and the most favourable price the market can have reached when it arrives: an
entry is not sent once the price has drifted further from its snapshot than the drift limit, either way.
"""

from decimal import Decimal
from typing import Literal

from trading.decision import Decision
from trading.instrument import Instrument
from trading.snapshot import MarketSnapshot

Direction = Literal["long", "short"]
BPS = Decimal(10_000)


def sign_of(direction: Direction) -> int:
    """1 for long, −1 for short."""
    return 1 if direction == "long" else -1


def opposite_quote(direction: Direction, market: MarketSnapshot) -> Decimal | None:
    """The quote an entry takes: the ask for a long, the bid for a short; None when there is none."""
    quote = market.ask if direction == "long" else market.bid
    return quote if quote is not None and quote > 0 else None


def with_slippage(direction: Direction, quote: Decimal, slippage_bps: Decimal) -> Decimal:
    """`quote` and the accepted slippage beyond it, not on the tick."""
    return quote * (1 + sign_of(direction) * slippage_bps / BPS)


def worst_price(
    direction: Direction, decision: Decision, market: MarketSnapshot, instrument: Instrument, slippage_bps: Decimal
) -> Decimal | None:
    """The limit the order carries, rounded to the tick on the better side; None without a quote or a price.

    A limit decision's own limit; otherwise the opposite quote and `slippage_bps` beyond it.
    """
    if decision.order_type == "limit":
        price = decision.limit_price
    else:
        quote = opposite_quote(direction, market)
        price = None if quote is None else with_slippage(direction, quote, slippage_bps)
    if price is None:
        return None
    rounded = instrument.round_price(price, "down" if direction == "long" else "up")
    return rounded if rounded > 0 else None


def costliest_price(
    direction: Direction, worst: Decimal, seen: MarketSnapshot, live: MarketSnapshot, drift_bps: Decimal
) -> Decimal | None:
    """The fill that binds most margin: a long's worst price, a short's most favourable one.

    A short fills above its limit where the bid is higher; the drift from the snapshot's price bounds how much.
    None when the prices that bound it are not known.
    """
    if direction == "long":
        return worst
    if seen.last is None or live.bid is None:
        return None
    return max(worst, live.bid, seen.last * (1 + drift_bps / BPS))
