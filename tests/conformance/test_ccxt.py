"""ccxt, unchanged: the same life traded through its synchronous, its asynchronous and its WebSocket client."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from paper.launch import ExchangeProcess

SYMBOL = "BTC/USDT:USDT"
ISOLATED = {"marginMode": "isolated"}
PATIENCE = 2000


def made(kind: Any, server: ExchangeProcess) -> Any:
    keys = server.account
    client = kind(
        {
            "apiKey": keys["api_key"], "secret": keys["secret_key"], "password": keys["passphrase"],
            "enableRateLimit": False,
            "options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        }
    )  # fmt: skip
    client.urls["api"] = {"rest": server.rest_url, "ws": server.ws_url}
    return client


class Trader:
    """One client; `ask` awaits where the method is asynchronous."""

    def __init__(self, client: Any, server: ExchangeProcess) -> None:
        self.client = client
        self.server = server

    async def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        found = getattr(self.client, method)(*arguments, **named)
        return await found if inspect.isawaitable(found) else found

    def partial_fill(self, target: str) -> None:
        self.server.post("/paper/faults", {"name": "partial_fill", "path": target, "share": 0.5})

    async def last(self) -> float:
        return float((await self.ask("fetch_ticker", SYMBOL))["last"])

    async def position(self) -> Any:
        held = [p for p in await self.ask("fetch_positions", [SYMBOL]) if p["contracts"]]
        return held[0] if held else None

    async def play_until(self, done: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(PATIENCE):
            if await done():
                return
            self.server.advance()
            await asyncio.sleep(0)
        raise AssertionError("market never got there")


async def whole_life(trader: Trader) -> None:
    ask = trader.ask
    markets = await ask("load_markets")
    assert markets[SYMBOL]["contractSize"] == 0.01
    await ask("set_leverage", 3, SYMBOL, {"mgnMode": "isolated"})
    before = (await ask("fetch_balance"))["USDT"]["total"]
    assert before == 10000
    last = await trader.last()

    # Rest, amend, cancel.
    placed = await ask("create_order", SYMBOL, "limit", "buy", 2, round(last * 0.98, 1), ISOLATED)
    edited = await ask("edit_order", placed["id"], SYMBOL, "limit", "buy", 3, round(last * 0.985, 1))
    assert edited["id"] == placed["id"]
    (resting,) = await ask("fetch_open_orders", SYMBOL)
    assert (resting["amount"], resting["price"], resting["status"]) == (3, round(last * 0.985, 1), "open")
    await ask("cancel_order", placed["id"], SYMBOL)
    assert (await ask("fetch_order", placed["id"], SYMBOL))["status"] == "canceled"

    # Partly filled, with stop and target attached: they live once the whole is filled.
    trader.partial_fill("trade/batch-orders")
    attached = {
        **ISOLATED,
        "stopLoss": {"triggerPrice": round(last * 0.99, 1)},
        "takeProfit": {"triggerPrice": round(last * 1.01, 1)},
    }
    entry = await ask("create_order", SYMBOL, "limit", "buy", 4, round(last * 1.004, 1), attached)
    partly = await ask("fetch_order", entry["id"], SYMBOL)
    assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 2, 2)
    assert await ask("fetch_open_orders", SYMBOL, params={"ordType": "oco", "trigger": True}) == []

    async def filled() -> bool:
        return bool((await ask("fetch_order", entry["id"], SYMBOL))["status"] == "closed")

    await trader.play_until(filled)
    held = await trader.position()
    assert (held["side"], held["contracts"], held["marginMode"], held["leverage"]) == ("long", 4, "isolated", 3)
    assert held["liquidationPrice"] < held["entryPrice"]
    (bracket,) = await ask("fetch_open_orders", SYMBOL, params={"ordType": "oco", "trigger": True})
    assert bracket["stopLossPrice"] == round(last * 0.99, 1)
    assert bracket["takeProfitPrice"] == round(last * 1.01, 1)

    # The market touches one of them.
    async def flat() -> bool:
        return await trader.position() is None

    await trader.play_until(flat)
    assert await ask("fetch_open_orders", SYMBOL, params={"ordType": "oco", "trigger": True}) == []

    # A short with a stop of its own, closed by a reduce-only order.
    await ask("create_order", SYMBOL, "market", "sell", 2, None, ISOLATED)
    now = await trader.last()
    stop = await ask(
        "create_order", SYMBOL, "market", "buy", 2, None,
        {**ISOLATED, "stopLossPrice": round(now * 1.02, 1), "reduceOnly": True},
    )  # fmt: skip
    (waiting,) = await ask("fetch_open_orders", SYMBOL, params={"ordType": "conditional", "trigger": True})
    assert waiting["id"] == stop["id"]
    assert (await trader.position())["side"] == "short"
    await ask("close_position", SYMBOL, None, {"marginMode": "isolated"})
    assert await trader.position() is None

    # History and money.
    trades = await ask("fetch_my_trades", SYMBOL)
    assert {trade["takerOrMaker"] for trade in trades} <= {"taker", "maker"}
    bought = sum(t["amount"] for t in trades if t["side"] == "buy")
    assert bought == sum(t["amount"] for t in trades if t["side"] == "sell") == 6
    closed = await ask("fetch_closed_orders", SYMBOL)
    assert {order["status"] for order in closed} == {"closed"}
    assert len(await ask("fetch_canceled_orders", SYMBOL)) == 1
    history = await ask("fetch_positions_history", [SYMBOL])
    assert len(history) == 2
    entries = await ask("fetch_ledger", "USDT")
    fees = sum(trade["fee"]["cost"] for trade in trades)
    assert sum(e["fee"]["cost"] for e in entries if e["type"] == "trade") == pytest.approx(fees, abs=1e-9)
    after = (await ask("fetch_balance"))["USDT"]["total"]
    # The deposit may lie before the window of the entries; what was earned and paid since explains the rest.
    changes = sum(e["amount"] for e in entries if e["type"] != "transfer")
    assert after - before == pytest.approx(changes, abs=1e-6)
    assert after != before


def test_synchronous_client_trades_a_whole_life(server: ExchangeProcess) -> None:
    asyncio.run(whole_life(Trader(made(ccxt.okx, server), server)))


def test_asynchronous_client_trades_a_whole_life(server: ExchangeProcess) -> None:
    async def run() -> None:
        client = made(ccxt.async_support.okx, server)
        try:
            await whole_life(Trader(client, server))
        finally:
            await client.close()

    asyncio.run(run())


class Watcher:
    """What one subscription of the WebSocket client hears, kept in order."""

    def __init__(self, watch: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        self.heard: list[Any] = []
        self._watch = watch
        self._arguments = arguments
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            message = await self._watch(*self._arguments)
            self.heard += [dict(row) for row in message] if isinstance(message, list) else [dict(message)]

    async def until(self, wanted: Callable[[Any], bool], within: float = 10.0) -> Any:
        """The first that was wanted, once it is heard."""
        for _ in range(round(within / 0.01)):
            for message in self.heard:
                if wanted(message):
                    return message
            if self.task.done():
                self.task.result()
            await asyncio.sleep(0.01)
        seen = [{key: m.get(key) for key in ("id", "status", "filled", "side", "contracts")} for m in self.heard[-9:]]
        raise AssertionError(f"not among the {len(self.heard)} heard: {seen}")


async def streamed_life(client: Any, server: ExchangeProcess) -> None:
    trader = Trader(client, server)
    await client.load_markets()
    await client.set_leverage(3, SYMBOL, {"mgnMode": "isolated"})
    last = await trader.last()
    watchers = {
        "orders": Watcher(client.watch_orders, SYMBOL),
        "fills": Watcher(client.watch_my_trades, SYMBOL),
        "positions": Watcher(client.watch_positions, [SYMBOL]),
        "balance": Watcher(client.watch_balance),
        "ticker": Watcher(client.watch_ticker, SYMBOL),
        "trades": Watcher(client.watch_trades, SYMBOL),
        "book": Watcher(client.watch_order_book, SYMBOL),
        "funding": Watcher(client.watch_funding_rate, SYMBOL),
    }
    orders, positions = watchers["orders"], watchers["positions"]
    for name in ("balance", "ticker", "trades", "book", "funding"):
        await watchers[name].until(bool)

    # Operations over the socket: place, amend, cancel.
    placed = await client.create_order_ws(SYMBOL, "limit", "buy", 2, round(last * 0.98, 1), ISOLATED)
    mine = await orders.until(lambda o: o["id"] == placed["id"] and o["status"] == "open")
    assert (mine["amount"], mine["price"]) == (2, round(last * 0.98, 1))
    await client.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 3, round(last * 0.985, 1))
    await orders.until(lambda o: o["id"] == placed["id"] and o["amount"] == 3 and o["price"] == round(last * 0.985, 1))
    await client.cancel_order_ws(placed["id"], SYMBOL)
    await orders.until(lambda o: o["id"] == placed["id"] and o["status"] == "canceled")

    # A partial fill, the rest, and the attached stop that ends the position.
    trader.partial_fill("/private/batch-orders")
    entry = await client.create_order_ws(
        SYMBOL, "limit", "sell", 4, round(last * 0.996, 1),
        {**ISOLATED, "stopLoss": {"triggerPrice": round(last * 1.006, 1)},
         "takeProfit": {"triggerPrice": round(last * 0.994, 1)}},
    )  # fmt: skip
    await orders.until(lambda o: o["id"] == entry["id"] and o["filled"] == 2 and o["status"] == "open")
    await positions.until(lambda p: p["contracts"] == 2 and p["side"] == "short")
    server.advance()
    await orders.until(lambda o: o["id"] == entry["id"] and o["status"] == "closed")
    await positions.until(lambda p: p["contracts"] == 4)
    candles = Watcher(client.watch_ohlcv, SYMBOL, "5m")
    started = server.get("/paper/clock")["market_ms"]

    async def flat() -> bool:
        await asyncio.sleep(0.005)
        return any(p["contracts"] == 0 for p in positions.heard)

    await trader.play_until(flat)
    fills = watchers["fills"]
    await fills.until(lambda t: t["side"] == "buy")
    sold = {t["id"]: t["amount"] for t in fills.heard if t["side"] == "sell"}
    bought = {t["id"]: t["amount"] for t in fills.heard if t["side"] == "buy"}
    assert sum(sold.values()) == sum(bought.values()) == 4
    played = server.get("/paper/clock")["market_ms"]
    assert played > started
    total = (await client.fetch_balance())["USDT"]["total"]
    await watchers["balance"].until(lambda b: b["USDT"]["total"] == total)
    for watcher in [*watchers.values(), candles]:
        watcher.task.cancel()


def test_streaming_client_trades_a_whole_life(server: ExchangeProcess) -> None:
    async def run() -> None:
        client = made(ccxt.pro.okx, server)
        try:
            await streamed_life(client, server)
        finally:
            await client.close()

    asyncio.run(run())
