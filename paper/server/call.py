"""One REST request as handlers see it, and the shape of its answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from paper.engine.account import Account
from paper.engine.params import word
from paper.errors import OkxError, bad_parameter
from paper.exchange import Exchange
from paper.numbers import whole
from paper.store.credentials import Credentials

Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class Call:
    """`params` holds the query of a GET or the JSON object of a POST; `items` the JSON array of a batch.

    `ledger_notes` goes to the ledger only: what OKX does not tell the caller. `fault` names what strikes the reply,
    `address` the client's.
    """

    exchange: Exchange
    method: str
    path: str
    params: dict[str, object]
    items: list[dict[str, object]] = field(default_factory=list)
    credentials: Credentials | None = None
    wall_ms: int = 0
    ledger_notes: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    address: str = ""

    @property
    def uid(self) -> str:
        if self.credentials is None:
            raise OkxError("50103")
        return self.credentials.uid

    @property
    def account(self) -> Account:
        return self.exchange.engine.account(self.uid)

    def word(self, name: str) -> str:
        return word(self.params, name)

    def need(self, name: str) -> str:
        value = self.word(name)
        if not value:
            raise OkxError("50014", name)
        return value

    def whole(self, name: str) -> int | None:
        value = self.word(name)
        if not value:
            return None
        try:
            return whole(value)
        except ValueError:
            raise bad_parameter(name) from None

    def limit(self, default: int, most: int) -> int:
        value = self.whole("limit")
        if value is None:
            return default
        if value < 1:
            raise bad_parameter("limit")
        return min(value, most)

    def inst_id(self) -> str:
        """A listed instrument. Raises 50014 or 51001."""
        return self.exchange.engine.state.instrument(self.need("instId")).inst_id

    def inst_ids(self) -> list[str]:
        """Instruments chosen by instId or instFamily, all without either."""
        wanted, family = self.word("instId"), self.word("instFamily") or self.word("uly")
        listed = self.exchange.engine.state.instruments
        if wanted:
            return [self.exchange.engine.state.instrument(wanted).inst_id]
        found = [i.inst_id for i in listed.values() if not family or i.family == family]
        if family and not found:
            raise OkxError("51001")
        return found

    def is_swap(self) -> bool:
        """Whether instType asks for swaps (or nothing). Other types exist at OKX but are not listed here."""
        kind = self.word("instType")
        if kind not in ("", "ANY", "SWAP", "SPOT", "MARGIN", "FUTURES", "OPTION", "EVENTS"):
            raise bad_parameter("instType")
        return kind in ("", "ANY", "SWAP")


Handler = Callable[[Call], "list[Any]"]


@dataclass(frozen=True)
class Route:
    """A handler, whether it needs a signature, and whether it changes something (and so enters the ledger)."""

    handler: Handler
    private: bool = False
    mutates: bool = False


def page(call: Call, newest_first: Iterable[T], key: Callable[[T], int], most: int = 100) -> list[T]:
    """OKX's pagination: newest first, older than `after`, newer than `before`. Looks no further than it must."""
    after, before = call.whole("after"), call.whole("before")
    limit = call.limit(most, most)
    found: list[T] = []
    for row in newest_first:
        value = key(row)
        if after is not None and value >= after:
            continue
        if before is not None and value <= before:
            break
        found.append(row)
        if len(found) == limit:
            break
    return found


def span(call: Call) -> tuple[int, int]:
    """`begin` and `end`, both inclusive and optional."""
    begin, end = call.whole("begin"), call.whole("end")
    return FIRST_MS if begin is None else begin, LAST_MS if end is None else end


DAY_MS = 86_400_000
THREE_MONTHS_MS = 92 * DAY_MS
FIRST_MS, LAST_MS = -(10**20), 10**20


def since(call: Call, window_ms: int) -> int:
    """How far back in market time a call may look."""
    return call.exchange.now_ms() - window_ms
