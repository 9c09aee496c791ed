"""OKX rows → market types.

The same rows come over REST and WebSocket. Raises ReadFailed on a blank or bad field.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from exchange.errors import ReadFailed
from exchange.fields import (
    Row,
    decimal_of,
    optional_decimal,
    required_decimal,
    required_text,
    required_time,
    text,
    time_of,
)
from exchange.quotes import Book, BookLevel, FeeRates, Funding, LimitPrices, MarkPrice, OpenInterest, Ticker
from trading.candle import Candle
from trading.instrument import Instrument

_CANDLE = ("open", "high", "low", "close", "vol", "volCcy", "volCcyQuote")


def instrument(row: Row) -> Instrument:
    """A USDT-margined linear swap. Refuses any other contract, whose arithmetic would be different."""
    inst_id = required_text(row, "instId", "instrument")
    if text(row, "ctType") != "linear" or text(row, "settleCcy") != "USDT":
        raise ReadFailed(f"{inst_id}: not a linear swap settled in USDT")
    multiplier = optional_decimal(row, "ctMult", inst_id)
    code = text(row, "instIdCode")
    return Instrument(
        inst_id=inst_id,
        ct_val=required_decimal(row, "ctVal", inst_id) * (Decimal(1) if multiplier is None else multiplier),
        lot_sz=required_decimal(row, "lotSz", inst_id),
        min_sz=required_decimal(row, "minSz", inst_id),
        tick_sz=required_decimal(row, "tickSz", inst_id),
        max_lmt_sz=required_decimal(row, "maxLmtSz", inst_id),
        max_mkt_sz=required_decimal(row, "maxMktSz", inst_id),
        max_leverage=required_decimal(row, "lever", inst_id),
        state=required_text(row, "state", inst_id),
        inst_id_code=int(code) if code.isdecimal() else None,
    )


def candle(inst_id: str, bar: str, row: Sequence[Any]) -> Candle:
    """`[ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm]`."""
    what = f"{inst_id} {bar} candle"
    if not isinstance(row, list | tuple) or len(row) < 9:
        raise ReadFailed(f"{what}: nine fields expected")
    numbers = [decimal_of(str(value), name, what) for name, value in zip(_CANDLE, row[1:8], strict=True)]
    open_, high, low, close, contracts, coins, quote = numbers
    return Candle(
        inst_id,
        bar,
        time_of(str(row[0]), "ts", what),
        open_,
        high,
        low,
        close,
        contracts,
        coins,
        quote,
        confirmed=str(row[8]) == "1",
    )


def ticker(row: Row) -> Ticker:
    inst_id = required_text(row, "instId", "ticker")
    return Ticker(
        inst_id,
        required_decimal(row, "last", inst_id),
        optional_decimal(row, "bidPx", inst_id),
        optional_decimal(row, "askPx", inst_id),
        required_time(row, "ts", inst_id),
    )


def book(inst_id: str, row: Row) -> Book:
    """books5 and market/books: levels are `[px, sz, "0", orders]`."""
    what = f"{inst_id} book"
    at = required_time(row, "ts", what)

    def levels(side: str) -> tuple[BookLevel, ...]:
        try:
            pairs = [(str(level[0]), str(level[1])) for level in row.get(side) or []]
        except (TypeError, IndexError, KeyError):
            raise ReadFailed(f"{what}: field {side} holds no levels") from None
        return tuple(BookLevel(decimal_of(px, "px", what), decimal_of(sz, "sz", what)) for px, sz in pairs)

    return Book(inst_id, levels("bids"), levels("asks"), at)


def mark_price(row: Row) -> MarkPrice:
    inst_id = required_text(row, "instId", "mark price")
    return MarkPrice(inst_id, required_decimal(row, "markPx", inst_id), required_time(row, "ts", inst_id))


def funding(row: Row) -> Funding:
    """`fundingTime` is the coming settlement, at which `fundingRate` is charged.

    Old answers carry no `ts`.
    """
    inst_id = required_text(row, "instId", "funding rate")
    return Funding(
        inst_id,
        required_decimal(row, "fundingRate", inst_id),
        required_time(row, "fundingTime", inst_id),
        required_time(row, "ts", inst_id),
    )


def open_interest(row: Row) -> OpenInterest:
    inst_id = required_text(row, "instId", "open interest")
    return OpenInterest(inst_id, required_decimal(row, "oi", inst_id), required_time(row, "ts", inst_id))


def limit_prices(row: Row) -> LimitPrices:
    inst_id = required_text(row, "instId", "price limit")
    return LimitPrices(
        inst_id,
        required_decimal(row, "buyLmt", inst_id),
        required_decimal(row, "sellLmt", inst_id),
        required_time(row, "ts", inst_id),
    )


def fee_rates(row: Row) -> FeeRates:
    """OKX writes what you pay as negative; USDT swaps carry it in `makerU`, `takerU`."""
    return FeeRates(-required_decimal(row, "makerU", "fee rate"), -required_decimal(row, "takerU", "fee rate"))
