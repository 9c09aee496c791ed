"""REST: public and market data."""

from collections.abc import Callable
from typing import Any

from paper.errors import OkxError, bad_parameter
from paper.market.bars import BarGrid
from paper.server.call import Call, Route
from paper.server.instrument_rows import instrument_row, tier_row
from paper.server.market_rows import MarketRows

RECENT_BARS = 1440


def _market(call: Call) -> MarketRows:
    return MarketRows(call.exchange)


def _bar(call: Call) -> BarGrid:
    found = _market(call).grid(call.word("bar") or "1m")
    if found is None:
        raise bad_parameter("bar")
    return found


def time(call: Call) -> list[Any]:
    return [{"ts": str(call.wall_ms)}]


def instruments(call: Call) -> list[Any]:
    call.need("instType")
    if not call.is_swap():
        return []
    listed = call.exchange.engine.state.instruments
    return [instrument_row(listed[inst_id]) for inst_id in call.inst_ids()]


def ticker(call: Call) -> list[Any]:
    return [_market(call).ticker(call.inst_id())]


def tickers(call: Call) -> list[Any]:
    call.need("instType")
    return [_market(call).ticker(inst_id) for inst_id in call.inst_ids()] if call.is_swap() else []


def index_tickers(call: Call) -> list[Any]:
    wanted, quote = call.word("instId"), call.word("quoteCcy")
    if not wanted and not quote:
        raise OkxError("50015", "instId", "quoteCcy")
    listed = call.exchange.engine.state.instruments.values()
    found = [i.inst_id for i in listed if (i.family == wanted if wanted else quote == "USDT")]
    if wanted and not found:
        raise OkxError("51001")
    return [_market(call).index_ticker(inst_id) for inst_id in found]


def _book(call: Call, most: int) -> list[Any]:
    inst_id, depth = call.inst_id(), call.whole("sz") or 1
    if not 1 <= depth <= most:
        raise bad_parameter("sz")
    row = _market(call).book(inst_id, depth)
    row.pop("seqId")
    return [row]


def books(call: Call) -> list[Any]:
    return _book(call, 400)


def books_full(call: Call) -> list[Any]:
    """Levels of three: price, contracts, orders."""
    rows = _book(call, 5000)
    for side in ("asks", "bids"):
        rows[0][side] = [[px, sz, count] for px, sz, _, count in rows[0][side]]
    return rows


def candles(call: Call) -> list[Any]:
    """Only the latest 1440 bars; older ones are history."""
    inst_id, bar, rows = call.inst_id(), _bar(call), _market(call)
    oldest = bar.from_open(bar.open_of(call.exchange.market.now_ms - 1), -RECENT_BARS)
    before = call.whole("before")
    before = oldest if before is None else max(before, oldest)
    return rows.candles(inst_id, bar, call.limit(100, 300), call.whole("after"), before)


def history_candles(call: Call) -> list[Any]:
    found = _market(call).candles(
        call.inst_id(), _bar(call), call.limit(100, 300), call.whole("after"), call.whole("before")
    )
    return [row for row in found if row[8] == "1"]


def _derived(kind: str, history: bool) -> Callable[[Call], list[Any]]:
    def handler(call: Call) -> list[Any]:
        """Candles of the mark price by instrument, of the index by its name."""
        inst_id = call.inst_id() if kind == "mark" else _instrument_of_index(call)
        found = _market(call).derived_candles(
            kind, inst_id, _bar(call), call.limit(100, 100), call.whole("after"), call.whole("before")
        )
        return [row for row in found if row[5] == "1"] if history else found

    return handler


def _instrument_of_index(call: Call) -> str:
    index = call.need("instId")
    for instrument in call.exchange.engine.state.instruments.values():
        if instrument.family == index:
            return instrument.inst_id
    raise OkxError("51001")


def trades(call: Call) -> list[Any]:
    return _market(call).trades(call.inst_id(), call.limit(100, 500))


def history_trades(call: Call) -> list[Any]:
    """Paged by trade id, or with type 2 by time."""
    kind, after, before = call.word("type") or "1", call.whole("after"), call.whole("before")
    if kind not in ("1", "2"):
        raise bad_parameter("type")
    if kind == "2":
        market = call.exchange.market
        after = None if after is None else market.step_at(after)
        before = None if before is None else market.step_at(before + 1) - 1
    return _market(call).trades(call.inst_id(), call.limit(100, 100), after, before)


def mark_price(call: Call) -> list[Any]:
    call.need("instType")
    return [_market(call).mark_price(inst_id) for inst_id in call.inst_ids()] if call.is_swap() else []


def price_limit(call: Call) -> list[Any]:
    return [_market(call).price_limit(call.inst_id())]


def open_interest(call: Call) -> list[Any]:
    call.need("instType")
    return [_market(call).open_interest(inst_id) for inst_id in call.inst_ids()] if call.is_swap() else []


def funding_rate(call: Call) -> list[Any]:
    if call.need("instId") == "ANY":
        return [_market(call).funding(inst_id) for inst_id in call.exchange.engine.state.instruments]
    return [_market(call).funding(call.inst_id())]


def funding_history(call: Call) -> list[Any]:
    return _market(call).funding_history(
        call.inst_id(), call.limit(400, 400), call.whole("after"), call.whole("before")
    )


def position_tiers(call: Call) -> list[Any]:
    call.need("instType")
    if call.need("tdMode") not in ("cross", "isolated"):
        raise bad_parameter("tdMode")
    if not call.is_swap():
        return []
    if not (call.word("instFamily") or call.word("uly") or call.word("instId")):
        raise OkxError("50015", "instFamily", "uly")
    listed = call.exchange.engine.state.instruments
    rows: list[Any] = []
    for family in (call.word("instFamily") or call.word("uly") or call.word("instId")).split(","):
        name = family if family in listed else f"{family}-SWAP"
        instrument = call.exchange.engine.state.instrument(name)
        rows += [tier_row(instrument, tier) for tier in instrument.tiers]
    tier = call.word("tier")
    return [row for row in rows if not tier or row["tier"] == tier]


def status(call: Call) -> list[Any]:
    """No maintenance is ever planned here."""
    if call.word("state") not in ("", "scheduled", "ongoing", "pre_open", "completed", "canceled"):
        raise bad_parameter("state")
    return []


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/v5/public/time"): Route(time),
    ("GET", "/api/v5/public/instruments"): Route(instruments),
    ("GET", "/api/v5/public/mark-price"): Route(mark_price),
    ("GET", "/api/v5/public/funding-rate"): Route(funding_rate),
    ("GET", "/api/v5/public/funding-rate-history"): Route(funding_history),
    ("GET", "/api/v5/public/open-interest"): Route(open_interest),
    ("GET", "/api/v5/public/price-limit"): Route(price_limit),
    ("GET", "/api/v5/public/position-tiers"): Route(position_tiers),
    ("GET", "/api/v5/market/ticker"): Route(ticker),
    ("GET", "/api/v5/market/tickers"): Route(tickers),
    ("GET", "/api/v5/market/index-tickers"): Route(index_tickers),
    ("GET", "/api/v5/market/books"): Route(books),
    ("GET", "/api/v5/market/books-full"): Route(books_full),
    ("GET", "/api/v5/market/candles"): Route(candles),
    ("GET", "/api/v5/market/history-candles"): Route(history_candles),
    ("GET", "/api/v5/market/mark-price-candles"): Route(_derived("mark", False)),
    ("GET", "/api/v5/market/history-mark-price-candles"): Route(_derived("mark", True)),
    ("GET", "/api/v5/market/index-candles"): Route(_derived("index", False)),
    ("GET", "/api/v5/market/history-index-candles"): Route(_derived("index", True)),
    ("GET", "/api/v5/market/trades"): Route(trades),
    ("GET", "/api/v5/market/history-trades"): Route(history_trades),
    ("GET", "/api/v5/system/status"): Route(status),
}
