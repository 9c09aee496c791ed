"""The latest word of each quote channel, written to Redis together whenever the socket has nothing more to read.

In a flood only the newest word of a channel and instrument is parsed and written, so that a busy market costs Redis
no more than a calm one; nothing is older in Redis than one write takes. Malformed rows are logged and skipped.
Thread-safe, an instrument's pushes coming on one thread at a time. Raises RedisError from `flush`; what could not be
written is superseded, not repeated. A book is begun by its snapshot, whatever was held before: nobody need say that a
connection or a subscription is new.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import structlog

from exchange import parse_market
from exchange.errors import ReadFailed
from exchange.fields import Row
from exchange.market_writer import MarketWriter, Quote
from exchange.order_book import BookBroken, LocalBook
from exchange.quotes import Funding
from exchange.websocket import Push
from exchange.ws_connection import Key, key_of
from feeds.channel_watch import ChannelWatch

logger = structlog.get_logger()

BOOK_LEVELS = 5
BROKEN_AGAIN_S = 10.0
Pending = dict[tuple[str, str], tuple[Row, int]]


class QuoteBoard:
    """`on_funding` is told of each funding rate, `on_broken` of a book that must be subscribed anew."""

    def __init__(
        self,
        writer: MarketWriter,
        watch: ChannelWatch,
        *,
        on_funding: Callable[[Funding], None],
        on_broken: Callable[[Key], None],
    ) -> None:
        self._writer = writer
        self._watch = watch
        self._on_funding = on_funding
        self._on_broken = on_broken
        self._pending: Pending = {}
        self._books: dict[str, LocalBook] = {}
        self._broken_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self.latest: dict[tuple[str, str], Quote] = {}

    def push(self, push: Push) -> None:
        """Take one push; nothing is written yet."""
        inst_id, channel = str(push.arg.get("instId", "")), push.channel
        if not push.data:
            return
        row: Row = push.data[-1]
        market_ms = _market_ms(row)
        if channel == "books":
            book = self._follow(inst_id, push)
            if book is None:
                return
            row = book.best(BOOK_LEVELS)
        self._watch.spoke((channel, inst_id, ""), monotonic(), market_ms)
        with self._lock:
            self._pending[channel, inst_id] = (row, push.received_ms)

    def flush(self) -> None:
        """Write what has come since the last time. Raises RedisError."""
        if not self._pending:
            return
        with self._lock:
            pending, self._pending = self._pending, {}
        quotes = []
        for (channel, inst_id), (row, received_ms) in pending.items():
            try:
                quote = _parse(channel, inst_id, row)
            except ReadFailed as error:
                logger.warning("push_malformed", channel=channel, inst_id=inst_id, error=str(error))
                continue
            if quote is None:
                continue
            self.latest[channel, inst_id] = quote
            quotes.append((quote, received_ms))
            if isinstance(quote, Funding):
                self._on_funding(quote)
        if quotes:
            self._writer.write(quotes)

    def _follow(self, inst_id: str, push: Push) -> LocalBook | None:
        """The book with this push in it; None while it is not whole."""
        book = self._books.setdefault(inst_id, LocalBook())
        try:
            taken = [book.apply(push.action, row) for row in push.data]
        except BookBroken as error:
            now = monotonic()
            # One that breaks again at once is left to the watch over silent channels, which waits longer each time.
            if now - self._broken_at.get(inst_id, -BROKEN_AGAIN_S) >= BROKEN_AGAIN_S:
                self._broken_at[inst_id] = now
                logger.warning("book_broken", inst_id=inst_id, reason=str(error))
                self._on_broken(key_of(push.arg))
            return None
        return book if any(taken) else None


def _parse(channel: str, inst_id: str, row: Row) -> Quote | None:
    match channel:
        case "tickers":
            return parse_market.ticker(row)
        case "books5" | "books":
            return parse_market.book(inst_id, row)
        case "mark-price":
            return parse_market.mark_price(row)
        case "open-interest":
            return parse_market.open_interest(row)
        case "funding-rate":
            return parse_market.funding(row)
        case unexpected:
            logger.warning("push_unexpected", channel=unexpected)
            return None


def _market_ms(row: Any) -> int:
    ts = row.get("ts") if isinstance(row, dict) else None
    return int(ts) if isinstance(ts, str) and ts.isdecimal() else 0
