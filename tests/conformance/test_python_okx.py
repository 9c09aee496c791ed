"""python-okx, unchanged, trades a whole life; what happened is also heard with websocket-client.

Its own WebSocket classes speak TLS only: see test_python_okx_sockets.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import websocket
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Status import StatusAPI
from okx.Trade import TradeAPI

from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"
PATIENCE = 2000


class Desk:
    """The client's classes, each answer unwrapped; refusals fail the test."""

    def __init__(self, server: ExchangeProcess) -> None:
        keys = server.account
        arguments = (keys["api_key"], keys["secret_key"], keys["passphrase"])
        self.made = [
            kind(*arguments, flag="1", domain=server.rest_url)
            for kind in (TradeAPI, AccountAPI, MarketAPI, PublicAPI, StatusAPI)
        ]
        self.trade, self.account, self.market, self.public, self.status = self.made
        for each in self.made:
            each.timeout = httpx.Timeout(10)

    def close(self) -> None:
        for each in self.made:
            each.close()


def rows(answer: Any) -> list[Any]:
    assert answer["code"] == "0", answer
    return list(answer["data"])


def only(answer: Any) -> Any:
    (row,) = rows(answer)
    return row


class Listener:
    """Private and business sockets, logged in; pushes are kept by channel."""

    def __init__(self, server: ExchangeProcess, endpoint: str, *channels: str) -> None:
        self.socket = websocket.create_connection(f"{server.ws_url}/{endpoint}", timeout=10)
        self.heard: dict[str, list[Any]] = {channel: [] for channel in channels}
        stamp, keys = str(int(time.time())), server.account  # noqa: TID251 - a client signs with its own clock
        mac = hmac.new(keys["secret_key"].encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256)
        sign = base64.b64encode(mac.digest()).decode()
        self.send("login", apiKey=keys["api_key"], passphrase=keys["passphrase"], timestamp=stamp, sign=sign)
        assert json.loads(self.socket.recv())["event"] == "login"
        for channel in channels:
            self.send("subscribe", channel=channel, instType="SWAP")
            self.until(lambda message, c=channel: message.get("arg", {}).get("channel") == c and "event" in message)

    def send(self, op: str, **arg: str) -> None:
        self.socket.send(json.dumps({"op": op, "args": [arg]}))

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        for _ in range(5000):
            message = json.loads(self.socket.recv())
            if "data" in message:
                self.heard[message["arg"]["channel"]] += message["data"]
            if wanted(message):
                return message
        raise AssertionError("never heard")

    def until_push(self, channel: str, **fields: str) -> Any:
        """The first row of a channel with these values, heard already or to come."""

        def found() -> list[Any]:
            return [row for row in self.heard[channel] if all(row[k] == v for k, v in fields.items())]

        if not found():
            self.until(lambda _: bool(found()))
        return found()[0]


@pytest.fixture
def desk(server: ExchangeProcess) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    made.close()


def test_client_trades_a_whole_life(server: ExchangeProcess, desk: Desk) -> None:
    trade, account = desk.trade, desk.account
    assert only(account.get_account_config())["posMode"] == "net_mode"
    assert only(account.set_leverage("3", "isolated", BTC))["lever"] == "3"
    assert only(desk.public.get_instruments("SWAP", instId=BTC))["ctVal"] == "0.01"
    rows(desk.status.status())
    cash = Decimal(only(account.get_account_balance("USDT"))["details"][0]["cashBal"])
    private = Listener(server, "private", "orders", "positions", "account")
    algos = Listener(server, "business", "orders-algo")
    last = Decimal(only(desk.market.get_ticker(BTC))["last"])

    def px(factor: str) -> str:
        return str((last * Decimal(factor)).quantize(Decimal("0.1")))

    # Place, amend, cancel.
    first = only(trade.place_order(BTC, "isolated", "buy", "limit", "2", px=px("0.98"), clOrdId="life1"))
    assert first["sCode"] == "0"
    only(trade.amend_order(BTC, clOrdId="life1", newSz="3", newPx=px("0.985"), reqId="r1"))
    resting = only(trade.get_order_list(instType="SWAP"))
    assert (resting["sz"], resting["px"], resting["state"]) == ("3", px("0.985"), "live")
    assert private.until_push("orders", amendResult="0")["reqId"] == "r1"
    only(trade.cancel_order(BTC, clOrdId="life1"))
    private.until_push("orders", clOrdId="life1", state="canceled")

    # Partly filled with stop and target attached; they come to life with the last contract.
    server.post("/paper/faults", {"name": "partial_fill", "path": "/trade/order$", "share": 0.25})
    bracket = [{"slTriggerPx": px("0.99"), "slOrdPx": "-1", "tpTriggerPx": px("1.01"), "tpOrdPx": "-1"}]
    trade.place_order(
        BTC, "isolated", "buy", "limit", "4", px=px("1.004"), clOrdId="life2", attachAlgoOrds=bracket
    )  # fmt: skip
    entry = only(trade.get_order(BTC, clOrdId="life2"))
    assert (entry["state"], entry["accFillSz"]) == ("partially_filled", "1")
    assert rows(trade.order_algos_list(ordType="oco")) == []
    for _ in range(PATIENCE):
        if only(trade.get_order(BTC, clOrdId="life2"))["state"] == "filled":
            break
        server.advance()
    private.until_push("orders", clOrdId="life2", state="filled")
    held = only(account.get_positions("SWAP", BTC))
    assert (held["pos"], held["mgnMode"], held["lever"]) == ("4", "isolated", "3")
    assert Decimal(held["liqPx"]) < Decimal(held["avgPx"])
    oco = only(trade.order_algos_list(ordType="oco"))
    assert (oco["slTriggerPx"], oco["tpTriggerPx"], oco["state"]) == (px("0.99"), px("1.01"), "live")
    assert algos.until_push("orders-algo", algoId=oco["algoId"], state="live")["side"] == "sell"

    # One of them is touched.
    for _ in range(PATIENCE):
        if not rows(trade.order_algos_list(ordType="oco")):
            break
        server.advance()
    fired = algos.until_push("orders-algo", algoId=oco["algoId"], state="effective")
    assert fired["actualSide"] in ("sl", "tp")
    done = only(trade.order_algos_history("oco", state="effective"))
    assert done["ordId"] == fired["ordId"]
    private.until_push("positions", pos="0")

    # A short with a stop for the whole position, closed by one call, the stop cancelled with it.
    only(trade.place_order(BTC, "isolated", "sell", "market", "2", clOrdId="life3"))
    now = Decimal(only(desk.market.get_ticker(BTC))["last"])
    stop = only(
        trade.place_algo_order(
            BTC, "isolated", "buy", "conditional", slTriggerPx=str((now * Decimal("1.02")).quantize(Decimal("0.1"))),
            slOrdPx="-1", closeFraction="1", reduceOnly="true", algoClOrdId="stop1",
        )
    )  # fmt: skip
    assert stop["sCode"] == "0"
    only(trade.close_positions(BTC, "isolated", autoCxl="true"))
    algos.until_push("orders-algo", algoId=stop["algoId"], state="canceled")
    assert rows(account.get_positions("SWAP", BTC))[0]["pos"] in ("0", "")

    # What remains: history, fills, positions, bills, and the account they explain.
    history = {row["clOrdId"]: row["state"] for row in rows(trade.get_orders_history("SWAP"))}
    assert (history["life1"], history["life2"], history["life3"]) == ("canceled", "filled", "filled")
    fills = rows(trade.get_fills("SWAP"))
    assert sum(Decimal(f["fillSz"]) * (1 if f["side"] == "buy" else -1) for f in fills) == 0
    for fill in fills:
        assert private.until_push("orders", tradeId=fill["tradeId"])["fillSz"] == fill["fillSz"]
    closed = rows(account.get_positions_history("SWAP"))
    assert [row["type"] for row in closed] == ["2", "2"]
    bills = rows(account.get_account_bills())
    trades = [bill for bill in bills if bill["type"] == "2"]
    assert sum(Decimal(b["fee"]) for b in trades) == sum(Decimal(f["fee"]) for f in fills)
    assert sum(Decimal(b["pnl"]) for b in trades) == sum(Decimal(row["pnl"]) for row in closed)
    after = Decimal(only(account.get_account_balance("USDT"))["details"][0]["cashBal"])
    earned = sum(Decimal(b["pnl"]) + Decimal(b["fee"]) for b in bills if b["type"] != "1")
    assert abs(after - cash - earned) < Decimal("1e-9")
    private.socket.close()
    algos.socket.close()
