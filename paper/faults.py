"""The fault menu: everything an exchange and the way to it can do wrong, each by name.

A `Fault` strikes the next `count` events whose target contains `path`, each with `probability`; a `FaultPlan` holds
those that wait, draws from a seeded generator, and so strikes the same events of the same script again. What a fault
does is done by the server (`paper.server.strike`, `paper.server.pushes`); this module needs no network and can be
used on its own: `plan = FaultPlan(seed=7); plan.add({"name": "51149", "placed": True}); plan.take("request", target)`.

Targets: a REST request is its path (`/api/v5/trade/order`), an order operation over WebSocket is
`/ws/v5/private/order`, a subscription or push is `/ws/v5/private/orders` (endpoint, then channel). A `path` that
ends in `$` must match to the end: `/orders$` leaves `orders-algo` alone.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paper.errors import MESSAGES, OkxError, bad_parameter

# What a fault waits for; "now" ones act the moment they are ordered.
Kind = Literal["request", "subscription", "push", "now"]
LONGEST_S = 3600.0
UNTIL_CLEARED = 0


@dataclass(frozen=True)
class Entry:
    """A line of the menu. `seconds` is the default of the fault's own time, 0 where it has none."""

    kind: Kind
    what: str
    seconds: float = 0.0
    either: bool = False
    """Whether `placed` chooses if the request is carried out."""


MENU: dict[str, Entry] = {
    "reply_lost_after_accept": Entry("request", "Carried out; then the connection ends without a reply."),
    "request_lost": Entry("request", "Never carried out; the connection ends without a reply."),
    "connection_reset": Entry("request", "TCP reset (RST) instead of a reply.", either=True),
    "reply_delayed": Entry("request", "Carried out at once; the reply comes `seconds` later.", 600.0),
    "ack_after_push": Entry(
        "request", "Carried out; the reply waits until its pushes are with the sockets, and `seconds` more.", 0.2
    ),
    "http_502_html": Entry("request", "An HTML page with status 502, as from a load balancer.", either=True),
    "50001": Entry("request", "Service temporarily unavailable (HTTP 503).", either=True),
    "50004": Entry("request", "Endpoint request timeout, meaning neither yes nor no (HTTP 400).", either=True),
    "50011": Entry("request", "Rate limit reached (HTTP 429; with `status` 200 the other form).", either=True),
    "50013": Entry("request", "Systems are busy (HTTP 429).", either=True),
    "50026": Entry("request", "System error (HTTP 500).", either=True),
    "50102": Entry("request", "Timestamp request expired (HTTP 401).", either=True),
    "51149": Entry("request", "Order timed out, meaning neither yes nor no (HTTP 500).", either=True),
    "code": Entry("request", "Any other code of OKX, given as `code`.", either=True),
    "partial_fill": Entry(
        "request", "The order meets a book that holds `share` of its size (default a half); the next price refills it."
    ),
    "candle_gap_history": Entry("request", "The newest closed bar is missing from an answer with candles."),
    "ws_ack_without_data": Entry("subscription", "Acknowledged, but nothing is ever pushed on the channel."),
    "push_lost": Entry("push", "The message never leaves."),
    "push_duplicate": Entry("push", "The message is sent twice."),
    "push_late": Entry("push", "The message is sent `seconds` later; later ones overtake it.", 1.0),
    "push_out_of_order": Entry(
        "push", "The message follows the connection's next one; after `seconds` without one it goes alone.", 1.0
    ),
    "candle_gap": Entry("push", "Every message of a bar is lost, its closing one too; `count` counts bars."),
    "ws_silent": Entry("now", "Open sockets of the endpoint say nothing more, not even pong, and stay open."),
    "ws_drop": Entry("now", "Open sockets of the endpoint are closed (1012)."),
    "ws_reset": Entry("now", "Open sockets of the endpoint end without a close frame."),
    "ws_notice": Entry("now", "Notice 64008 on every socket; with `seconds` the sockets are closed that much later."),
    "clock_skew": Entry(
        "now", "OKX's wall clock (public/time, signatures, expTime) is `seconds` ahead, negative behind; 0 mends it."
    ),
}
CODES = tuple(name for name in MENU if name.isdigit())


@dataclass
class Fault:
    """An ordered fault. `count` is how often it may still strike, 0 without end; `struck` how often it has.

    `skip`: so many events that it would strike pass first.
    """

    name: str
    path: str = ""
    count: int = 1
    probability: float = 1.0
    seconds: float = 0.0
    code: str = ""
    status: int = 0
    placed: bool = False
    share: float = 0.5
    skip: int = 0
    number: int = 0
    struck: int = 0
    spent: bool = False

    @property
    def entry(self) -> Entry:
        return MENU[self.name]

    def due(self) -> bool:
        """Whether it strikes now; one that is to let something pass counts down."""
        if self.skip == 0:
            return True
        self.skip -= 1
        return False

    def row(self) -> dict[str, Any]:
        row = asdict(self)
        row.pop("spent")
        return row

    def use(self) -> None:
        """Count one strike."""
        self.struck += 1
        self.spent = self.count != UNTIL_CLEARED and self.struck >= self.count


def read_fault(body: Mapping[str, Any]) -> Fault:
    """A fault from JSON. Raises OkxError (51000) naming the field that is wrong."""
    name = body.get("name")
    if not isinstance(name, str) or name not in MENU:
        raise OkxError("51000", message=f"Parameter name error: known are {', '.join(MENU)}", status=400)
    unknown = set(body) - {"name", "path", "count", "probability", "seconds", "code", "status", "placed", "share",
                           "skip"}  # fmt: skip
    if unknown:
        raise bad_parameter(sorted(unknown)[0])
    fault = Fault(
        name, _text(body, "path"), _whole(body, "count", 1), _number(body, "probability", 1.0, 0.0, 1.0),
        _number(body, "seconds", MENU[name].seconds, -LONGEST_S if name == "clock_skew" else 0.0, LONGEST_S),
        _text(body, "code"), _whole(body, "status", 0), _truth(body, "placed"),
        _number(body, "share", 0.5, 0.0, 1.0), _whole(body, "skip", 0),
    )  # fmt: skip
    if name in CODES:
        fault.code = name
    if (fault.code and fault.code not in MESSAGES) or (name == "code" and not fault.code):
        raise bad_parameter("code")
    if fault.status and not 200 <= fault.status <= 599:
        raise bad_parameter("status")
    if fault.placed and not fault.entry.either:
        raise bad_parameter("placed")
    return fault


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise bad_parameter(name)
    return value


def _whole(body: Mapping[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad_parameter(name)
    return value


def _number(body: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise bad_parameter(name)
    return float(value)


def _truth(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise bad_parameter(name)
    return value


def hits(path: str, target: str) -> bool:
    """Whether a fault's `path` covers a target."""
    return target.endswith(path[:-1]) if path.endswith("$") else path in target


class FaultPlan:
    """Faults that wait, oldest first. The same seed and the same events give the same strikes."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self.waiting: list[Fault] = []
        self.kinds: frozenset[str] = frozenset()
        # Told of every strike: fault, and target.
        self.on_strike: Callable[[Fault, str], None] = lambda fault, target: None

    def add(self, body: Mapping[str, Any]) -> Fault:
        """Order a fault; one of kind "now" is only read, it is for the caller to do. Raises OkxError."""
        fault = read_fault(body)
        self._number += 1
        fault.number = self._number
        if fault.entry.kind != "now":
            self.waiting.append(fault)
            self._note()
        return fault

    def take(self, kind: Kind, target: str) -> Fault | None:
        """The fault that strikes this event, if any; counted."""
        for fault in self.matching(kind, target):
            self.strike(fault, target)
            return fault
        return None

    def matching(self, kind: Kind, target: str) -> list[Fault]:
        """Faults that would strike this event, oldest first; a draw is made for each that is not certain."""
        if kind not in self.kinds:
            return []
        return [
            fault
            for fault in self.waiting
            if fault.entry.kind == kind
            and hits(fault.path, target)
            and (fault.probability >= 1 or self._random.random() < fault.probability)
            and fault.due()
        ]

    def strike(self, fault: Fault, target: str) -> None:
        """Count a strike of a fault; a used-up one is gone."""
        fault.use()
        self.on_strike(fault, target)
        if fault.spent and fault in self.waiting:
            self.waiting.remove(fault)
            self._note()

    def clear(self) -> None:
        self.waiting.clear()
        self._note()

    def _note(self) -> None:
        self.kinds = frozenset(fault.entry.kind for fault in self.waiting)


def menu_table() -> str:
    """The menu as the Markdown table of docs/paper-exchange.md."""
    lines = ["| name | strikes | what happens | `placed` | `seconds` |", "|---|---|---|---|---|"]
    for name, entry in MENU.items():
        seconds = f"{entry.seconds:g}" if entry.seconds else ""
        lines.append(f"| `{name}` | {entry.kind} | {entry.what} | {'either' if entry.either else ''} | {seconds} |")
    return "\n".join(lines)
