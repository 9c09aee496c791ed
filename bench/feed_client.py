"""A feed under load, in a process of its own on one core: `python -m bench.feed_client WHO PORT SECONDS [REDIS_URL]`.

WHO is `okxbot` (the market feed's own parts, into Redis), `okxbot-each` (the same, reading every message), `ccxt`
(ccxt.pro) or `cryptofeed`, which only hand what they parsed to a callback. All subscribe to the same channels on the
same server. Prints one JSON object: messages handled, seconds, processor seconds, the largest size of the process, and
for okxbot the milliseconds from the server's stamp until the word was in Redis.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Any

INSTRUMENTS = tuple(f"C{number:02d}-USDT-SWAP" for number in range(50))
BARS = ("5m", "15m", "1H", "4H")
AIOHTTP_OVERHEAD = 128


def largest_mb() -> float:
    """The largest this process has been since it was started; not what its parent was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


class Count:
    """What was handled between the first message after the warm-up and the end."""

    def __init__(self) -> None:
        self.messages = 0
        self.began: float | None = None
        self.cpu = 0.0
        self.late: list[float] = []

    def began_now(self) -> None:
        if self.began is None:
            self.began, self.cpu = monotonic(), process_time()

    def one(self) -> None:
        self.began_now()
        self.messages += 1

    def show(self) -> None:
        took = monotonic() - (self.began or monotonic())
        found = {
            "messages": self.messages,
            "seconds": took,
            "cpu_s": process_time() - self.cpu,
            "memory_mb": largest_mb(),
            "late_ms": self.late,
        }
        print(json.dumps(found))


def okxbot(port: int, seconds: float, redis_url: str, count: Count, *, thin: bool) -> None:
    """Candles and tickers through the parts the market feed is made of; `thin` as the feed is."""
    from sqlalchemy import create_engine

    from exchange.market_cache import MarketCache
    from exchange.market_writer import MarketWriter
    from exchange.redis_client import build_redis
    from exchange.websocket import Push
    from feeds import subscriptions
    from feeds.candle_intake import CandleIntake
    from feeds.candle_store import CandleStore
    from feeds.channel_watch import ChannelWatch
    from feeds.market import SWITCH_S
    from feeds.mending import Mender
    from feeds.quote_board import QuoteBoard
    from feeds.subscriptions import Subscriptions, candle_args
    from models.session import build_sessions
    from trading.clock import wall_ms

    if not thin:
        subscriptions.newest = lambda payloads: payloads
    sys.setswitchinterval(SWITCH_S)
    redis = build_redis(redis_url)
    # Neither is started: what they would do is off the hot path.
    store = CandleStore(build_sessions(create_engine("postgresql+psycopg2://")))
    mender = Mender(None, MarketWriter(redis), MarketCache(redis), store, BARS, lambda: None)  # type: ignore[arg-type]
    watch, writer, first = ChannelWatch(flowing=True), MarketWriter(redis), threading.Lock()
    intake = CandleIntake(writer, store, watch, mender, first, decision_bar="1m", on_confirmed=lambda candle: None)
    board = QuoteBoard(writer, watch, on_funding=lambda funding: None, on_broken=lambda key: None)
    stamps: list[int] = []

    def quote(push: Push) -> None:
        count.began_now()
        stamps.append(int(push.data[-1]["ts"]))
        board.push(push)

    def drained() -> None:
        with first:
            board.flush()
        now = wall_ms()
        count.late += [now - stamp for stamp in stamps]
        stamps.clear()

    def candle(push: Push) -> None:
        count.began_now()
        intake.push(push)
        count.late.append(wall_ms() - int(push.data[-1][7]))

    url = f"ws://127.0.0.1:{port}/ws/v5"
    business = Subscriptions(
        "business", f"{url}/business", on_message=candle, on_connected=lambda *_: None, on_drained=lambda: None
    )
    public = Subscriptions(
        "public", f"{url}/public", on_message=quote, on_connected=lambda *_: None, on_drained=drained
    )
    business.add(candle_args(INSTRUMENTS, BARS))
    public.add([{"channel": "tickers", "instId": inst_id} for inst_id in INSTRUMENTS])
    _for(seconds, count)
    # Those superseded before they were read are counted, too: their newer word is in Redis.
    count.messages = business.received + public.received
    count.show()
    os._exit(0)


def ccxt_pro(port: int, seconds: float, count: Count) -> None:
    """ccxt.pro: its own parsing and caches; every message handled counts. Patched: its address, its list of
    instruments, and its bookkeeping in aiohttp's buffer: it takes messages out and gives back their sizes, but not the
    128 bytes that aiohttp adds to each of them, so that a flood would make aiohttp stop reading.
    """
    import ccxt.pro
    from ccxt.async_support.base.ws.client import Client

    take_all = Client.receive_loop

    def receive_loop(self: Any) -> None:
        if not self.closed() and self.buffer and len(self.buffer) > 1:
            message, size = self.buffer[-1]
            self.buffer[-1] = (message, size + AIOHTTP_OVERHEAD * (len(self.buffer) - 1))
        take_all(self)

    Client.receive_loop = receive_loop

    class Counted(ccxt.pro.okx):  # type: ignore[misc]
        def handle_message(self, client: Any, message: Any) -> None:
            super().handle_message(client, message)
            if isinstance(message, dict) and "data" in message:
                count.one()

    async def run() -> None:
        exchange = Counted({"newUpdates": True})
        exchange.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/ws/v5"
        symbols = [f"{inst_id.split('-')[0]}/USDT:USDT" for inst_id in INSTRUMENTS]
        exchange.set_markets(
            [
                {"id": inst_id, "symbol": symbol, "base": symbol.split("/")[0], "quote": "USDT", "settle": "USDT",
                 "type": "swap", "spot": False, "swap": True, "contract": True, "linear": True, "active": True,
                 "contractSize": 0.01, "precision": {"amount": 0.01, "price": 0.1}, "limits": {}, "info": {}}
                for inst_id, symbol in zip(INSTRUMENTS, symbols, strict=True)
            ]
        )  # fmt: skip
        bars = [[symbol, bar.lower()] for bar in BARS for symbol in symbols]

        async def follow(watch: Callable[[], Any]) -> None:
            while True:
                await watch()

        tasks = [
            asyncio.create_task(follow(lambda: exchange.watch_tickers(symbols))),
            asyncio.create_task(follow(lambda: exchange.watch_ohlcv_for_symbols(bars))),
        ]
        await asyncio.to_thread(_for, seconds, count)
        count.show()
        for task in tasks:
            task.cancel()
        os._exit(0)

    asyncio.run(run())


def cryptofeed(port: int, seconds: float, count: Count) -> None:
    """cryptofeed: one candle interval a feed. Patched: the address (OKX has moved candles to /business; here all are
    served on one), its demand for TLS, and its list of instruments, which it would fetch from OKX.
    """
    from cryptofeed import FeedHandler
    from cryptofeed.connection import WebsocketEndpoint
    from cryptofeed.defines import CANDLES, TICKER
    from cryptofeed.exchanges import OKX
    from cryptofeed.symbols import Symbols

    class WithoutTls(str):
        def startswith(self, *prefix: Any) -> bool:
            return prefix == ("wss://",) or super().startswith(*prefix)

    address = WithoutTls(f"ws://127.0.0.1:{port}/ws/v5/public")
    OKX.websocket_endpoints = [WebsocketEndpoint(address, options={"compression": None})]
    names = {f"{inst_id.split('-')[0]}-USDT-PERP": inst_id for inst_id in INSTRUMENTS}
    info = {"tick_size": dict.fromkeys(names, "0.1"), "instrument_type": dict.fromkeys(names, "perpetual")}
    Symbols.set(OKX.id, names, info)

    async def take(data: Any, received: float) -> None:
        count.one()

    handler = FeedHandler(config={"uvloop": True, "log": {"filename": "/dev/null", "level": "ERROR"}})
    handler.add_feed(OKX(symbols=list(names), channels=[TICKER], callbacks={TICKER: take}))
    for bar in BARS:
        handler.add_feed(
            OKX(symbols=list(names), channels=[CANDLES], candle_interval=bar, candle_closed_only=False,
                callbacks={CANDLES: take})
        )  # fmt: skip

    def end() -> None:
        _for(seconds, count)
        count.show()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    asyncio.set_event_loop(asyncio.new_event_loop())  # it has set a policy, and expects a loop
    handler.run(install_signal_handlers=False)


def _for(seconds: float, count: Count) -> None:
    """Until so many seconds after the first message."""
    given_up = monotonic() + 60
    while (count.began is None and monotonic() < given_up) or (
        count.began is not None and monotonic() - count.began < seconds
    ):
        sleep(0.05)


if __name__ == "__main__":
    # One core; the server and Redis have the other.
    os.sched_setaffinity(0, {0})
    who, port_, seconds_ = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    match who:
        case "okxbot" | "okxbot-each":
            okxbot(port_, seconds_, sys.argv[4], Count(), thin=who == "okxbot")
        case "ccxt":
            ccxt_pro(port_, seconds_, Count())
        case "cryptofeed":
            cryptofeed(port_, seconds_, Count())
