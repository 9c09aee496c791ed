"""Who rests in the book: one instrument's open limit orders of all accounts, best price first, oldest first."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from paper.engine.account import Account
from paper.engine.order import Order
from paper.numbers import ZERO

Entry = tuple[Decimal, int, Account, Order]


def _rank(entry: Entry) -> tuple[Decimal, int]:
    return entry[0], entry[1]


def _key(order: Order) -> tuple[Decimal, int]:
    """Lower comes first: the better price, then the earlier place in the queue."""
    px = order.px if order.px is not None else ZERO
    return px * -order.direction, order.queued


@dataclass
class Resting:
    """Both sides of one instrument. An order may change its price or queue number only while it is out."""

    buy: list[Entry] = field(default_factory=list)
    sell: list[Entry] = field(default_factory=list)

    def _side(self, side: str) -> list[Entry]:
        return self.buy if side == "buy" else self.sell

    def add(self, account: Account, order: Order) -> None:
        insort(self._side(order.side), (*_key(order), account, order), key=_rank)

    def remove(self, order: Order) -> None:
        """Take an order out; one that is not in changes nothing."""
        entries, key = self._side(order.side), _key(order)
        at = bisect_left(entries, key, key=_rank)
        if at < len(entries) and entries[at][3] is order:
            del entries[at]

    def best(self, side: str) -> Order | None:
        entries = self._side(side)
        return entries[0][3] if entries else None

    def within(self, side: str, limit: Decimal) -> list[tuple[Account, Order]]:
        """Orders of `side` that trade at `limit` or better for who meets them, in the order they trade."""
        worst = -limit if side == "buy" else limit
        found = []
        for rank, _, account, order in self._side(side):
            if rank > worst:
                break
            found.append((account, order))
        return found

    def levels(self, side: str) -> Iterator[tuple[Decimal, Decimal, int]]:
        """Price, contracts and number of orders, best price first."""
        price, size, count = ZERO, ZERO, 0
        for _, _, _, order in self._side(side):
            if order.px is None:
                continue
            if count and order.px != price:
                yield price, size, count
                size, count = ZERO, 0
            price, size, count = order.px, size + order.remaining, count + 1
        if count:
            yield price, size, count
