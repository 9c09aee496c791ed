"""Who hears what: turns steps of the market and events of the engine into channel pushes.

Private events go out at once. While market time flows, public channels follow every step, the books within 100 ms of
it as OKX's do; in lockstep only a bar's final state is pushed. A candle's closing push carries confirm "1" the moment
the bar closes. Where steps lie far apart (15 s at speed 1) the quotes that stand are said again, dated now: clients
judge them by their age.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any

import structlog

from paper.clock import wall_ms
from paper.exchange import Exchange
from paper.faults import Fault, FaultPlan, hits
from paper.market.bars import MINUTE
from paper.server.channels import candle_bar, needs_login
from paper.server.connection import CALM, Connection, Push
from paper.server.instrument_rows import instrument_row
from paper.server.market_rows import MarketRows
from paper.server.private_channels import PrivateChannels
from paper.server.ratelimit import RateLimiter

logger = structlog.get_logger()
Row = dict[str, Any]
SLOW = {"funding-rate": MINUTE, "open-interest": MINUTE}
PER_STEP = (
    "tickers",
    "trades",
    "trades-all",
    "books5",
    "bbo-tbt",
    "books",
    "mark-price",
    "index-tickers",
    "price-limit",
)
STANDING = ("tickers", "books5", "bbo-tbt", "books", "mark-price", "index-tickers", "open-interest")
STANDING_S = 3.0
BOOK_DEPTH = 400
QUIET_BOOK_S = 60.0
BOOKS_EVERY_S = 0.1
FLUSH_S = 10.0


# Fault, connection, target, request, and what carries it out.
Strike = Callable[[Fault, Connection, str, Row, Callable[[], Row]], Awaitable[None]]


async def _no_strike(
    fault: Fault, connection: Connection, target: str, request: Row, process: Callable[[], Row]
) -> None:
    connection.send(process())


class Hub:
    """All connections of one server."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.connections: set[Connection] = set()
        self.faults = FaultPlan(exchange.options.seed)
        # Answers an order operation that a fault strikes; set by the server.
        self.strike: Strike = _no_strike
        # Counts order operations over WebSocket in REST's buckets; set by the server.
        self.limiter: RateLimiter | None = None
        self.rows = MarketRows(exchange)
        self.private = PrivateChannels(exchange, self.connections)
        self._lists_instruments = exchange.options.switch("instruments_greeting") == "list"
        # The books as their followers have them, and when they were last told of.
        self._books: dict[str, Row] = {}
        self._book_told: dict[str, float] = {}
        self._said = 0.0
        self._books_due: asyncio.TimerHandle | None = None
        exchange.on_step = self.on_step
        exchange.on_events = self.private.on_events

    def _subscribed(self, channel: str) -> Iterable[tuple[Connection, Row]]:
        for connection in self.connections:
            for arg in connection.subscriptions.values():
                if arg["channel"] == channel:
                    yield connection, arg

    async def flush(self) -> None:
        """Wait until everything pushed so far has been handed to the sockets; who does not read is dropped."""
        self.private.release()
        for connection in list(self.connections):
            connection.write_out()
        until = monotonic() + FLUSH_S
        await asyncio.sleep(0)
        while waiting := [c for c in self.connections if c.close_code is None and c.backlog > CALM]:
            if monotonic() > until:
                for connection in waiting:
                    logger.warning("ws_client_does_not_read", endpoint=connection.endpoint)
                    connection.drop()
                return
            await asyncio.sleep(0.002)

    # --- market ---------------------------------------------------------------------------------------------

    def on_step(self, decision: bool) -> None:
        """After each step: candles first, as decisions wait for their close."""
        self.private.release()
        self._said = monotonic()
        market = self.exchange.market
        lockstep = self.exchange.options.lockstep
        if lockstep and not market.closes_bar:
            return
        now = market.now_ms
        wanted: dict[tuple[str, str], list[tuple[Connection, Row]]] = {}
        for connection in self.connections:
            for arg in connection.subscriptions.values():
                name = arg.get("instId")
                if isinstance(name, str):
                    wanted.setdefault((arg["channel"], name), []).append((connection, arg))
        for (channel, name), targets in wanted.items():
            kind = candle_bar(channel)
            if kind is not None:
                self._push_candle(kind, name, targets, now, decision)
        # On their way before the books are made: that takes several times as long.
        for connection in self.connections:
            connection.write_out()
        if lockstep and not decision:
            return
        for (channel, name), targets in wanted.items():
            if channel == "books" and not lockstep:
                self._books_soon()
            elif channel in PER_STEP or self._slow_due(channel, now):
                self._push_public(channel, name, targets)
        self.private.warn()

    def _books_soon(self) -> None:
        """In OKX's own rhythm, whatever the steps' is: what changed meanwhile goes out as one message."""
        if self._books_due is None:
            self._books_due = asyncio.get_running_loop().call_later(BOOKS_EVERY_S, self._push_books)

    def _push_books(self) -> None:
        self._books_due = None
        followers: dict[str, list[tuple[Connection, Row]]] = {}
        for connection, arg in self._subscribed("books"):
            followers.setdefault(str(arg.get("instId", "")), []).append((connection, arg))
        for name, targets in followers.items():
            self._push_public("books", name, targets)

    def _slow_due(self, channel: str, now: int) -> bool:
        return channel in SLOW and now % SLOW[channel] == 0

    def _push_candle(
        self, kind: tuple[str, str], name: str, targets: list[tuple[Connection, Row]], now: int, decision: bool
    ) -> None:
        bar = self.rows.grid(kind[1])
        if bar is None:
            return
        closes = bar.open_of(now) == now
        if self.exchange.options.lockstep and not closes and not decision:
            return
        push = Push(self.candle_rows(kind[0], name, kind[1]))
        for connection, arg in targets:
            connection.push(arg, push)

    def candle_rows(self, kind: str, name: str, bar_name: str) -> list[Any]:
        """The newest candle of a candle channel."""
        bar = self.rows.grid(bar_name)
        inst_id = self.inst_id_of(name)
        if bar is None or inst_id is None:
            return []
        if kind == "candle":
            return self.rows.candles(inst_id, bar, 1, None, None)
        return self.rows.derived_candles(kind.split("-")[0], inst_id, bar, 1, None, None)

    def inst_id_of(self, name: str) -> str | None:
        """The listed instrument behind an instId or an index id; None when there is none."""
        listed = self.exchange.engine.state.instruments
        if name in listed:
            return name
        return f"{name}-SWAP" if f"{name}-SWAP" in listed else None

    def _push_public(self, channel: str, name: str, targets: list[tuple[Connection, Row]]) -> None:
        if channel == "books":
            message = self._book_update(name)
            if message is None:
                return
            push = Push([message], action="update")
        else:
            push = Push(self.public_rows(channel, name))
        for connection, arg in targets:
            connection.push(arg, push)

    def public_rows(self, channel: str, name: str) -> list[Any]:
        """The present data of a public channel."""
        inst_id = self.inst_id_of(name)
        if inst_id is None:
            return []
        rows = self.rows
        if channel == "tickers":
            return [rows.ticker(inst_id)]
        if channel in ("trades", "trades-all"):
            trade = rows.trades(inst_id, 1)[0]
            return [{**trade, "count": "1", "seqId": int(trade["tradeId"])}] if channel == "trades" else [trade]
        if channel == "books5":
            return [{**rows.book(inst_id, 5), "instId": inst_id}]
        if channel == "bbo-tbt":
            return [rows.book(inst_id, 1)]
        if channel == "mark-price":
            return [rows.mark_price(inst_id)]
        if channel == "index-tickers":
            return [rows.index_ticker(inst_id)]
        if channel == "price-limit":
            return [rows.price_limit(inst_id)]
        if channel == "funding-rate":
            return [rows.funding(inst_id)]
        if channel == "open-interest":
            return [rows.open_interest(inst_id)]
        return []

    def book_snapshot(self, inst_id: str) -> Row:
        """First message of the books channel: the book that those who follow it have, so that updates fit all."""
        followed = any(arg.get("instId") == inst_id for _, arg in self._subscribed("books"))
        row = self._books.get(inst_id) if followed else None
        if row is None:
            row = self._books[inst_id] = self.rows.book(inst_id, BOOK_DEPTH)
            self._book_told[inst_id] = monotonic()
        return {**row, "checksum": checksum(row), "prevSeqId": -1}

    def _book_update(self, inst_id: str) -> Row | None:
        """What changed since the last message, whose seqId is this one's prevSeqId; None when there is nothing to say.

        A book that stays as it is is confirmed once a minute, without levels and with the same seqId.
        """
        old, new = self._books[inst_id], self.rows.book(inst_id, BOOK_DEPTH)
        if (old["asks"], old["bids"]) == (new["asks"], new["bids"]):
            if monotonic() - self._book_told.get(inst_id, 0) < QUIET_BOOK_S:
                return None
            new = {**new, "seqId": old["seqId"]}
        self._books[inst_id], self._book_told[inst_id] = new, monotonic()
        changes: Row = {}
        for side in ("asks", "bids"):
            was = {level[0]: level for level in old[side]}
            now = {level[0]: level for level in new[side]}
            gone = [[px, "0", "0", "0"] for px in was if px not in now]
            changes[side] = gone + [level for px, level in now.items() if was.get(px) != level]
        return {
            **changes, "ts": new["ts"], "checksum": checksum(new), "prevSeqId": old["seqId"], "seqId": new["seqId"],
        }  # fmt: skip

    def regular(self, beat_s: float) -> None:
        """The private channels' regular pushes, and quotes that stand; called every `beat_s` seconds."""
        self.private.regular(beat_s)
        exchange = self.exchange
        if exchange.options.lockstep or exchange.ended or exchange.market.live:
            return
        if monotonic() - self._said >= STANDING_S:
            self._said = monotonic()
            self._say_again(str(min(exchange.now_ms(), exchange.market.step_end_ms(exchange.market.played))))

    def _say_again(self, ts: str) -> None:
        """The quotes as of the last step, dated `ts`; a book without levels, for those who follow it have them."""
        for connection in self.connections:
            for arg in connection.subscriptions.values():
                channel, name = arg["channel"], str(arg.get("instId", ""))
                if channel == "books" and self._books_due is not None:
                    continue  # what changed is about to go out
                if channel == "books" and (book := self._books.get(name)) is not None:
                    seq = {"prevSeqId": book["seqId"], "seqId": book["seqId"], "checksum": checksum(book)}
                    connection.push(arg, Push([{"asks": [], "bids": [], "ts": ts, **seq}], action="update"))
                elif channel in STANDING and (rows := self.public_rows(channel, name)):
                    connection.push(arg, Push([{**row, "ts": ts} for row in rows]))

    # --- on subscribing -------------------------------------------------------------------------------------

    def greet(self, connection: Connection, arg: Row) -> None:
        """The first push after a subscription's acknowledgement, where the channel has one."""
        channel, name = arg["channel"], str(arg.get("instId", ""))
        kind = candle_bar(channel)
        if kind is not None:
            data = self.candle_rows(kind[0], name, kind[1])
            if data:
                connection.push(arg, data)
        elif channel == "books":
            connection.push(arg, [self.book_snapshot(name)], action="snapshot")
        elif channel == "instruments":
            listed = self.exchange.engine.state.instruments.values()
            if arg.get("instType") == "SWAP" and self._lists_instruments:
                connection.push(arg, [instrument_row(item) for item in listed])
        elif needs_login(channel):
            self.private.greet(connection, arg)
        else:
            data = self.public_rows(channel, name)
            if data:
                connection.push(arg, data)

    def each(self, path: str, fault: str) -> None:
        """Drop, reset or silence the sockets whose endpoint a fault's path covers."""
        for connection in list(self.connections):
            if not hits(path, f"/ws/v5/{connection.endpoint}"):
                continue
            if fault == "ws_silent":
                connection.silent = True
            elif fault == "ws_reset":
                connection.cut(reset=True)
            else:
                connection.close(1012)

    def notice(self) -> None:
        """Announce a service upgrade to everyone (64008)."""
        message = "The connection will soon be closed for a service upgrade. Please reconnect."
        for connection in self.connections:
            connection.send({"event": "notice", "code": "64008", "msg": message, "connId": connection.conn_id})
        logger.info("ws_notice_sent", at_ms=wall_ms())


def checksum(row: Row) -> int:
    """Signed CRC32 over the best 25 levels, bid and ask alternating, as OKX documents."""
    parts: list[str] = []
    for number in range(25):
        for side in ("bids", "asks"):
            if number < len(row[side]):
                parts += row[side][number][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - 2**32 if value >= 2**31 else value
