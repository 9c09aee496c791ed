"""REST: orders, fills, algo orders, and the cancel-all-after timer.

Order operations answer per order: a refusal becomes that order's `sCode`, never an HTTP error.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from paper.engine.order import Order
from paper.engine.orders import find
from paper.engine.params import tag_of, word
from paper.errors import OkxError, bad_parameter
from paper.exchange import Exchange
from paper.server.call import DAY_MS, THREE_MONTHS_MS, Call, Route, page, since, span
from paper.server.order_rows import fill_row, order_row

Row = dict[str, Any]
BLANKS: dict[str, tuple[str, ...]] = {
    "place": ("clOrdId", "ordId", "tag"),
    "cancel": ("clOrdId", "ordId"),
    "amend": ("clOrdId", "ordId", "reqId"),
    "place_algo": ("algoClOrdId", "algoId", "clOrdId", "tag"),
    "cancel_algo": ("algoClOrdId", "algoId", "clOrdId", "tag"),
    "amend_algo": ("algoClOrdId", "algoId", "reqId"),
}
TWO_HOURS_MS = 7_200_000
MAX_TIMED_TAGS = 20


def operate(exchange: Exchange, uid: str, name: str, params: dict[str, object]) -> Row:
    """One order operation; the row a client gets for it, with sCode and sMsg."""
    row: Row = {}
    for key in BLANKS[name]:
        given = params.get(key)
        row[key] = given if isinstance(given, str) else ""
    if name != "cancel_algo" and "algo" not in name:
        row["ts"] = str(exchange.now_ms())
    try:
        row.update(exchange.command(uid, name, params))
    except OkxError as refusal:
        for key in ("ordId", "algoId"):
            if key in row and name.startswith("place"):
                row[key] = ""
        return {**row, "sCode": refusal.code, "sMsg": refusal.message}
    return {**row, "sCode": "0", "sMsg": "Order placed" if name == "place" else ""}


def single(name: str) -> Callable[[Call], list[Any]]:
    def handler(call: Call) -> list[Any]:
        if call.items:
            raise bad_parameter("body")
        return [operate(call.exchange, call.uid, name, call.params)]

    return handler


def batch(name: str, most: int, code: str) -> Callable[[Call], list[Any]]:
    def handler(call: Call) -> list[Any]:
        items = call.items or ([call.params] if call.params else [])
        if not items:
            raise OkxError("50014", "body")
        if len(items) > most:
            raise OkxError(code, str(most))
        return [operate(call.exchange, call.uid, name, item) for item in items]

    return handler


def close_position(call: Call) -> list[Any]:
    row = dict(call.exchange.command(call.uid, "close_position", call.params))
    call.ledger_notes["ordId"] = row.pop("_ordId")
    return [row]


def _visible(call: Call, order: Order) -> bool:
    """Whether a query may already see the order (switch `order_visibility_delay_ms`, wall time)."""
    return order.ord_id not in call.exchange.visibility.hidden(call.wall_ms)


def get_order(call: Call) -> list[Any]:
    call.inst_id()
    order = find(call.account, call.params)
    if order is None or not _visible(call, order) or _forgotten(call, order):
        raise OkxError("51603")
    return [order_row(order)]


def _forgotten(call: Call, order: Order) -> bool:
    """Cancelled orders without a fill are kept for two hours of market time."""
    return order.state == "canceled" and not order.filled and call.exchange.now_ms() - order.updated > TWO_HOURS_MS


def _choice(call: Call) -> Callable[[Order], bool]:
    """Whether an order is among those a query asks for and may see already."""
    inst_id, family, types = call.word("instId"), call.word("instFamily"), call.word("ordType")
    state, category = call.word("state"), call.word("category")
    kinds, hidden = types.split(","), call.exchange.visibility.hidden(call.wall_ms)

    def chosen(order: Order) -> bool:
        return (
            inst_id in ("", order.inst_id)
            and family in ("", order.inst_id.removesuffix("-SWAP"))
            and (not types or order.ord_type in kinds)
            and state in ("", order.state)
            and category in ("", order.category)
            and order.ord_id not in hidden
        )

    return chosen


def orders_pending(call: Call) -> list[Any]:
    if not call.is_swap():
        return []
    asked = filter(_choice(call), reversed(call.account.open_orders.values()))
    return [order_row(order) for order in page(call, asked, lambda order: int(order.ord_id))]


def _history(window_ms: int) -> Callable[[Call], list[Any]]:
    def handler(call: Call) -> list[Any]:
        """Finished orders by creation time; `begin` and `end` cut it, ordId pages through it."""
        call.need("instType")
        if not call.is_swap():
            return []
        oldest, (begin, end), chosen = since(call, window_ms), span(call), _choice(call)
        asked = (
            order
            for order in reversed(call.account.orders.values())
            if not order.is_open
            and order.updated >= oldest
            and begin <= order.created <= end
            and chosen(order)
            and not _forgotten(call, order)
        )
        return [order_row(order) for order in page(call, asked, lambda order: int(order.ord_id))]

    return handler


def _fills(call: Call, window_ms: int) -> list[Any]:
    if not call.is_swap():
        return []
    begin, end = span(call)
    begin = max(begin, since(call, window_ms))
    inst_id, family = call.word("instId"), call.word("instFamily")
    ord_id, sub_type = call.word("ordId"), call.word("subType")
    asked = (
        fill
        for fill in takewhile(lambda fill: fill.ts >= begin, reversed(call.account.fills))
        if fill.ts <= end
        and inst_id in ("", fill.inst_id)
        and family in ("", fill.inst_id.removesuffix("-SWAP"))
        and ord_id in ("", fill.ord_id)
        and sub_type in ("", fill.sub_type)
    )
    return [fill_row(fill) for fill in page(call, asked, lambda fill: int(fill.bill_id))]


def fills(call: Call) -> list[Any]:
    return _fills(call, 3 * DAY_MS)


def fills_history(call: Call) -> list[Any]:
    call.need("instType")
    return _fills(call, THREE_MONTHS_MS)


def cancel_all_after(call: Call) -> list[Any]:
    """Arm, re-arm or (0) disarm the timer of a tag, or without one of the whole account. Wall time."""
    seconds = call.whole("timeOut")
    tag = tag_of(call.params)
    if seconds is None or (seconds != 0 and not 10 <= seconds <= 120):
        raise bad_parameter("timeOut")
    due = call.wall_ms + seconds * 1000 if seconds else 0
    if due and tag and call.exchange.timers.tagged(call.uid, tag) >= MAX_TIMED_TAGS:
        raise OkxError("51071")
    call.exchange.set_timer(call.uid, tag, due)
    return [{"triggerTime": str(due), "tag": tag, "ts": str(call.wall_ms)}]


def account_rate_limit(call: Call) -> list[Any]:
    return [
        {"fillRatio": "", "mainFillRatio": "", "accRateLimit": "1000", "nextAccRateLimit": "", "ts": str(call.wall_ms)}
    ]


def client_ids(call: Call) -> list[str]:
    """Client order ids a mutating request names, for the ledger."""
    found = []
    for item in call.items or [call.params]:
        for key in ("clOrdId", "algoClOrdId"):
            value = word(item, key) if isinstance(item.get(key), str) else ""
            if value:
                found.append(value)
    return found


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/v5/trade/order"): Route(single("place"), True, True),
    ("GET", "/api/v5/trade/order"): Route(get_order, True),
    ("POST", "/api/v5/trade/batch-orders"): Route(batch("place", 20, "51111"), True, True),
    ("POST", "/api/v5/trade/cancel-order"): Route(single("cancel"), True, True),
    ("POST", "/api/v5/trade/cancel-batch-orders"): Route(batch("cancel", 20, "51406"), True, True),
    ("POST", "/api/v5/trade/amend-order"): Route(single("amend"), True, True),
    ("POST", "/api/v5/trade/amend-batch-orders"): Route(batch("amend", 20, "51501"), True, True),
    ("POST", "/api/v5/trade/close-position"): Route(close_position, True, True),
    ("GET", "/api/v5/trade/orders-pending"): Route(orders_pending, True),
    ("GET", "/api/v5/trade/orders-history"): Route(_history(7 * DAY_MS), True),
    ("GET", "/api/v5/trade/orders-history-archive"): Route(_history(THREE_MONTHS_MS), True),
    ("GET", "/api/v5/trade/fills"): Route(fills, True),
    ("GET", "/api/v5/trade/fills-history"): Route(fills_history, True),
    ("POST", "/api/v5/trade/cancel-all-after"): Route(cancel_all_after, True, True),
    ("GET", "/api/v5/trade/account-rate-limit"): Route(account_rate_limit, True),
}
