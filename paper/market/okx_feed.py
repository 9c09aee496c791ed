"""OKX's public feed, without keys: history over REST at the start, then tickers, mark, index, funding and candles.

A thread of its own keeps two WebSockets open and leaves what arrives for the market to pick up; after every
reconnect, and whenever a minute is missing, closed candles are read again over REST.
"""

import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from time import monotonic
from typing import Any

import httpx
import orjson
import structlog
import websocket

from paper.errors import StartRefused

logger = structlog.get_logger()
MINUTE_MS = 60_000
PAGE = 300
PING_S = 15
RETRY_S = 2
PUBLIC = ("tickers", "mark-price", "funding-rate", "open-interest")
Candle = list[str]


@dataclass
class Seen:
    """The newest of one instrument, as OKX sent it; `closed` waits to be picked up, oldest first."""

    ticker: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    index: str = ""
    funding: dict[str, str] = field(default_factory=dict)
    open_interest: str = ""
    running: Candle = field(default_factory=list)
    closed: "deque[Candle]" = field(default_factory=deque)
    next_ms: int = 0


class OkxFeed:
    """`rest` and `ws` are OKX's base addresses. `seen` is by instrument."""

    def __init__(self, rest: str, ws: str, instruments: tuple[str, ...]) -> None:
        self._rest = httpx.Client(base_url=rest, timeout=10)
        self._ws = ws.rstrip("/")
        self._address = rest
        self.seen = {inst_id: Seen() for inst_id in instruments}
        self.last_message = monotonic()
        self._sockets: list[websocket.WebSocketApp] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()

    # --- REST -----------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> list[Any]:
        """The data of a public call. Raises StartRefused in one line."""
        try:
            reply = self._rest.get(f"/api/v5/{path}", params=query)
            parsed = orjson.loads(reply.content)
        except (httpx.HTTPError, orjson.JSONDecodeError) as fault:
            raise StartRefused(
                f"--market okx: {self._address} cannot be read ({fault or type(fault).__name__})"
            ) from None
        if parsed.get("code") != "0":
            raise StartRefused(f"--market okx: {path} was refused ({parsed.get('code')} {parsed.get('msg')})")
        found: list[Any] = parsed["data"]
        return found

    def history(self, inst_id: str, bars: int) -> list[Candle]:
        """The newest `bars` closed minutes, oldest first and without gaps."""
        found: list[Candle] = [
            row for row in self.get("market/candles", instId=inst_id, bar="1m", limit=PAGE) if row[8] == "1"
        ]
        while len(found) < bars and found:
            older = self.get("market/history-candles", instId=inst_id, bar="1m", limit=PAGE, after=found[-1][0])
            if not older:
                break
            found += older
        found = found[:bars][::-1]
        stamps = [int(row[0]) for row in found]
        if len(found) < bars or any(b - a != MINUTE_MS for a, b in pairwise(stamps)):
            raise StartRefused(f"--market okx: {inst_id} has no gapless history of {bars} minutes; lower --warmup-bars")
        return found

    def load_prices(self) -> None:
        """First prices, so that the market can begin before the sockets have spoken."""
        for inst_id, seen in self.seen.items():
            seen.ticker = self.get("market/ticker", instId=inst_id)[0]
            seen.mark = self.get("public/mark-price", instType="SWAP", instId=inst_id)[0]["markPx"]
            index = inst_id.removesuffix("-SWAP")
            seen.index = self.get("market/index-tickers", instId=index)[0]["idxPx"]
            seen.funding = self.get("public/funding-rate", instId=inst_id)[0]
            seen.open_interest = self.get("public/open-interest", instType="SWAP", instId=inst_id)[0]["oi"]

    # --- WebSocket ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open both sockets; they reopen by themselves until `stop`."""
        names = list(self.seen)
        public: list[dict[str, str]] = [{"channel": c, "instId": n} for n in names for c in PUBLIC]
        public += [{"channel": "index-tickers", "instId": n.removesuffix("-SWAP")} for n in names]
        candles = [{"channel": "candle1m", "instId": n} for n in names]
        for endpoint, args in (("public", public), ("business", candles)):
            thread = threading.Thread(
                target=self._keep_open, args=(endpoint, args), name=f"okx-{endpoint}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for socket in list(self._sockets):
            # Its own thread closes it. Closed from here, that thread would go on waiting for what is gone.
            socket.keep_running = False
            reader: Any = socket.sock
            if reader is not None:
                with contextlib.suppress(OSError):  # not connected yet, or no longer
                    reader.abort()
        for thread in self._threads:
            thread.join(timeout=5)
        self._rest.close()

    def _keep_open(self, endpoint: str, args: list[dict[str, str]]) -> None:
        url = f"{self._ws}/ws/v5/{endpoint}"

        def opened(socket: websocket.WebSocketApp) -> None:
            socket.send(orjson.dumps({"op": "subscribe", "args": args}).decode())
            if endpoint == "business":
                for inst_id in self.seen:
                    self._catch_up(inst_id)

        def failed(socket: websocket.WebSocketApp, fault: Any) -> None:
            logger.warning("okx_feed_lost", endpoint=endpoint, error=str(fault))

        while not self._over.is_set():
            socket = websocket.WebSocketApp(url, on_open=opened, on_message=self._arrived, on_error=failed)
            self._sockets.append(socket)
            pinging = threading.Thread(target=self._ping, args=(socket,), daemon=True)
            pinging.start()
            socket.run_forever()
            self._sockets.remove(socket)
            self._over.wait(RETRY_S)

    def _ping(self, socket: websocket.WebSocketApp) -> None:
        """OKX closes a connection without traffic after 30 s; its ping is a text."""
        while not self._over.wait(PING_S) and socket in self._sockets:
            try:
                socket.send("ping")
            except websocket.WebSocketException:
                return

    def _arrived(self, socket: websocket.WebSocketApp, text: str) -> None:
        self.last_message = monotonic()
        if text == "pong":
            return
        message = orjson.loads(text)
        arg, data = message.get("arg", {}), message.get("data")
        if not data:
            return
        channel, name = arg["channel"], arg["instId"]
        seen = self.seen.get(name) or self.seen.get(f"{name}-SWAP")
        if seen is None:
            return
        if channel == "tickers":
            seen.ticker = data[0]
        elif channel == "mark-price":
            seen.mark = data[0]["markPx"]
        elif channel == "index-tickers":
            seen.index = data[0]["idxPx"]
        elif channel == "funding-rate":
            seen.funding = data[0]
        elif channel == "open-interest":
            seen.open_interest = data[0]["oi"]
        elif channel == "candle1m":
            self._candle(name, seen, data[0])

    def _candle(self, inst_id: str, seen: Seen, row: Candle) -> None:
        stamp = int(row[0])
        if stamp > seen.next_ms:  # a closing push was missed
            self._catch_up(inst_id)
        if stamp == seen.next_ms and row[8] == "1":
            seen.closed.append(row)
            seen.next_ms += MINUTE_MS
        elif stamp >= seen.next_ms:
            seen.running = row

    def _catch_up(self, inst_id: str) -> None:
        """Read the closed minutes that are missing."""
        seen = self.seen[inst_id]
        try:
            rows = self.get("market/candles", instId=inst_id, bar="1m", limit=PAGE)
        except StartRefused as fault:
            logger.warning("okx_candles_missing", inst_id=inst_id, error=str(fault))
            return
        for row in reversed(rows):
            if int(row[0]) == seen.next_ms and row[8] == "1":
                seen.closed.append(row)
                seen.next_ms += MINUTE_MS

    def price(self, inst_id: str) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Last, bid, ask, mark, index."""
        seen = self.seen[inst_id]
        ticker = seen.ticker
        last = Decimal(ticker["last"])
        return (
            last, Decimal(ticker["bidPx"] or last), Decimal(ticker["askPx"] or last), Decimal(seen.mark),
            Decimal(seen.index),
        )  # fmt: skip
