"""The engine's whole state: accounts, quotes, identifiers, and the events not yet collected."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from paper.engine.account import Account, Bill
from paper.engine.algo import Algo
from paper.engine.book import Book
from paper.engine.events import AlgoEvent, BalanceEvent, Event, OrderEvent
from paper.engine.margin import Balance, balance
from paper.engine.order import Fill, Order
from paper.engine.quote import Quote
from paper.engine.resting import Resting
from paper.errors import OkxError, bad_parameter
from paper.instruments import Instrument
from paper.numbers import ZERO

FIRST_ID = 2_000_000_000_000_000_000


@dataclass(frozen=True)
class Rules:
    """Fees as fractions of notional, the price band as a fraction of mark, and what OKX leaves undocumented."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")
    band: Decimal = Decimal("0.05")
    fok_attached_stops: bool = True
    attached_reduce_only: bool = True
    attached_after_partial: bool = False
    algos_after_close: bool = False
    duplicate_cl_ord_id: str = "51016"


class EngineState:
    """State and the few primitives every part of the engine uses."""

    def __init__(self, instruments: Mapping[str, Instrument], rules: Rules) -> None:
        self.instruments = dict(instruments)
        self.rules = rules
        self.accounts: dict[str, Account] = {}
        self.quotes: dict[str, Quote] = {}
        self.now_ms = 0
        self.events: list[Event] = []
        self._ids = FIRST_ID
        self._places = 0
        self._trade_ids: dict[str, int] = {}
        self._books: dict[str, Book] = {}
        self._limits: dict[str, tuple[Quote, tuple[Decimal, Decimal]]] = {}
        self.resting: dict[str, Resting] = {}

    def __getstate__(self) -> dict[str, object]:
        state = self.__dict__.copy()
        state["_books"], state["_limits"] = {}, {}
        state["events"] = []
        return state

    def next_id(self) -> str:
        self._ids += 1
        return str(self._ids)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Identifiers used inside are given back: what is only tried out leaves no trace."""
        before = self._ids
        try:
            yield
        finally:
            self._ids = before

    def next_place(self) -> int:
        """The end of the queue: every order that comes to rest, or loses its place, gets the next number."""
        self._places += 1
        return self._places

    def next_trade_id(self, inst_id: str) -> str:
        self._trade_ids[inst_id] = self._trade_ids.get(inst_id, 100_000_000) + 1
        return str(self._trade_ids[inst_id])

    def instrument(self, inst_id: str | None) -> Instrument:
        """Raises 51001 for an instrument that is not listed."""
        if not inst_id:
            raise bad_parameter("instId")
        found = self.instruments.get(inst_id)
        if found is None:
            raise OkxError("51001")
        return found

    def book(self, inst_id: str) -> Book:
        """This step's book; liquidity taken within the step stays taken."""
        quote = self.quotes[inst_id]
        found = self._books.get(inst_id)
        if found is None or found.quote.step != quote.step:
            found = self._books[inst_id] = Book(self.instruments[inst_id], quote)
        return found

    def resting_in(self, inst_id: str) -> Resting:
        """The open limit orders of all accounts on one instrument."""
        found = self.resting.get(inst_id)
        if found is None:
            found = self.resting[inst_id] = Resting()
        return found

    def price_limits(self, inst_id: str) -> tuple[Decimal, Decimal]:
        """Highest buy and lowest sell price: the band around mark, on the tick grid."""
        quote = self.quotes[inst_id]
        known = self._limits.get(inst_id)
        if known is not None and known[0] is quote:
            return known[1]
        instrument, mark = self.instruments[inst_id], quote.mark
        high = (mark * (1 + self.rules.band)) // instrument.tick * instrument.tick
        low = (mark * (1 - self.rules.band)) // instrument.tick * instrument.tick + instrument.tick
        self._limits[inst_id] = quote, (high, low)
        return high, low

    def balance(self, account: Account) -> Balance:
        return balance(account, self.instruments, self.quotes, self.rules.taker)

    # --- recording ------------------------------------------------------------------------------------------

    def order_changed(self, account: Account, order: Order, fill: Fill | None = None) -> None:
        order.updated = self.now_ms
        self.events.append(OrderEvent(account.account_id, order.copy(), fill))

    def algo_changed(self, account: Account, algo: Algo) -> None:
        algo.updated = self.now_ms
        self.events.append(AlgoEvent(account.account_id, copy.copy(algo)))

    def balance_changed(
        self, account: Account, reason: str, key: tuple[str, str, str] = ("", "", ""), trade_id: str = ""
    ) -> None:
        account.updated = self.now_ms
        self.events.append(BalanceEvent(account.account_id, reason, *key, trade_id))

    def bill(self, account: Account, bill: Bill) -> Bill:
        account.bills.append(bill)
        return bill

    def deposit(self, account_id: str, amount: Decimal) -> Account:
        """Fund an account, creating it when new."""
        account = self.accounts.setdefault(account_id, Account(account_id))
        account.cash += amount
        account.totals.deposits += amount
        self.bill(account, Bill(self.next_id(), "1", "11", self.now_ms, amount, account.cash, sz=amount))
        self.balance_changed(account, "transferred")
        return account

    def end_order(self, account: Account, order: Order, state: str, cancel_source: str = "") -> None:
        """Take an order out of the open ones."""
        order.state = state
        order.cancel_source = cancel_source
        order.frozen = ZERO
        account.open_orders.pop(order.ord_id, None)
        if order.px is not None:
            self.resting_in(order.inst_id).remove(order)

    def end_algo(self, account: Account, algo: Algo, state: str, cancel_source: str = "") -> None:
        """Take an algo out of the live ones and report it."""
        algo.state = state
        algo.cancel_source = cancel_source
        account.open_algos.pop(algo.algo_id, None)
        self.algo_changed(account, algo)
