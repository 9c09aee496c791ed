"""The book as everyone sees it: the market's own depth and the orders that accounts have resting in it."""

from decimal import Decimal

from paper.engine.state import EngineState
from paper.numbers import ZERO

Level = tuple[Decimal, Decimal, int]


def depth(state: EngineState, inst_id: str, side: str, count: int) -> list[Level]:
    """The best `count` levels of "asks" or "bids": price, contracts, number of orders."""
    resting = state.resting_in(inst_id)
    if not (resting.sell if side == "asks" else resting.buy):
        return [(px, sz, 1 + int(sz) % 9) for px, sz in state.book(inst_id).levels(side, count)]
    own = {px: (sz, n) for px, sz, n in resting.levels("sell" if side == "asks" else "buy")}
    found: list[Level] = []
    for px, sz in state.book(inst_id).levels(side, count):
        added, orders = own.pop(px, (ZERO, 0))
        found.append((px, sz + added, orders + 1 + int(sz) % 9))
    if own:
        found += [(px, sz, orders) for px, (sz, orders) in own.items()]
        found.sort(key=lambda level: level[0], reverse=side == "bids")
    return found[:count]


def best(state: EngineState, inst_id: str, side: str) -> Decimal:
    """The best price of a side; the quote's own where no account improves on it."""
    quote = state.quotes[inst_id]
    price = quote.ask if side == "asks" else quote.bid
    order = state.resting_in(inst_id).best("sell" if side == "asks" else "buy")
    if order is None or order.px is None:
        return price
    return min(price, order.px) if side == "asks" else max(price, order.px)
