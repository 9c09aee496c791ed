"""REST: public and market data."""

from typing import Any

from paper.errors import OkxError, bad_parameter
from paper.market.bars import BarGrid
from paper.server.call import Call, Route
from paper.server.market_rows import MarketRows
from paper.server.rows import instrument_row, tier_row


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


def books(call: Call) -> list[Any]:
    inst_id, depth = call.inst_id(), call.whole("sz") or 1
    if not 1 <= depth <= 400:
        raise bad_parameter("sz")
    row = _market(call).book(inst_id, depth)
    row.pop("seqId")
    return [row]


def books_full(call: Call) -> list[Any]:
    rows = books(call)
    for side in ("asks", "bids"):
        rows[0][side] = [[px, sz, count] for px, sz, _, count in rows[0][side]]
    return rows


def candles(call: Call) -> list[Any]:
    return _market(call).candles(
        call.inst_id(), _bar(call), call.limit(100, 300), call.whole("after"), call.whole("before")
    )


def history_candles(call: Call) -> list[Any]:
    return [row for row in candles(call) if row[8] == "1"]


def mark_candles(call: Call) -> list[Any]:
    return _market(call).mark_candles(
        call.inst_id(), _bar(call), call.limit(100, 100), call.whole("after"), call.whole("before")
    )


def index_candles(call: Call) -> list[Any]:
    family = call.need("instId")
    for instrument in call.exchange.engine.state.instruments.values():
        if instrument.family == family:
            call.params["instId"] = instrument.inst_id
            return mark_candles(call)
    raise OkxError("51001")


def trades(call: Call) -> list[Any]:
    return _market(call).trades(call.inst_id(), call.limit(100, 500))


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
    ("GET", "/api/v5/market/mark-price-candles"): Route(mark_candles),
    ("GET", "/api/v5/market/history-mark-price-candles"): Route(mark_candles),
    ("GET", "/api/v5/market/index-candles"): Route(index_candles),
    ("GET", "/api/v5/market/history-index-candles"): Route(index_candles),
    ("GET", "/api/v5/market/trades"): Route(trades),
    ("GET", "/api/v5/market/history-trades"): Route(trades),
    ("GET", "/api/v5/system/status"): Route(status),
}
