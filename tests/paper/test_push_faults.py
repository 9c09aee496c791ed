"""Faults of the sockets: what is subscribed, pushed and operated over them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"
Open = Callable[..., "Client"]


class Client:
    """A socket that reads until it has what it waits for, or nothing more comes."""

    def __init__(self, url: str, timeout: float) -> None:
        self.raw = websocket.create_connection(url, timeout=timeout)

    def send(self, message: Any) -> None:
        self.raw.send(json.dumps(message))

    def read(self) -> dict[str, Any]:
        return dict(json.loads(self.raw.recv()))

    def subscribe(self, **arg: str) -> None:
        self.send({"op": "subscribe", "args": [arg]})
        while self.read().get("event") != "subscribe":
            pass

    def pushes(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            message = self.read()
            if "data" in message and "arg" in message:
                found.append(message)
        return found

    def silence(self) -> None:
        """Nothing but what is no push arrives until the timeout."""
        with pytest.raises(websocket.WebSocketTimeoutException):
            self.pushes(1)


@pytest.fixture
def open_socket(exchange_server: ExchangeProcess) -> Iterator[Open]:
    made: list[Client] = []

    def opened(endpoint: str, timeout: float = 5.0) -> Client:
        made.append(Client(f"{exchange_server.ws_url}/{endpoint}", timeout))
        if endpoint == "private":
            keys, stamp = exchange_server.account, str(int(time.time()))  # noqa: TID251 - a client's own clock
            mac = hmac.new(keys["secret_key"].encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256)
            login = {"apiKey": keys["api_key"], "passphrase": keys["passphrase"], "timestamp": stamp}
            made[-1].send({"op": "login", "args": [{**login, "sign": base64.b64encode(mac.digest()).decode()}]})
            assert made[-1].read()["code"] == "0"
        return made[-1]

    yield opened
    exchange_server.clear_faults()
    for client in made:
        client.raw.close()


def plan(server: ExchangeProcess, **fault: Any) -> None:
    answer = server.post("/paper/faults", fault)
    assert "fault" in answer, answer


def candles(server: ExchangeProcess, open_socket: Open, timeout: float = 5.0) -> Client:
    """A socket on the five-minute candles, its greeting read."""
    client = open_socket("business", timeout)
    client.subscribe(channel="candle5m", instId=BTC)
    client.pushes(1)
    return client


def bar(push: dict[str, Any]) -> int:
    return int(push["data"][0][0])


def test_subscription_is_acknowledged_but_never_fed(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    plan(exchange_server, name="ws_ack_without_data", path="/business/candle5m")
    client = open_socket("business", 0.5)
    client.subscribe(channel="candle5m", instId=BTC)
    exchange_server.advance()
    client.silence()


def test_push_is_doubled(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = candles(exchange_server, open_socket)
    plan(exchange_server, name="push_duplicate", path="candle5m")
    exchange_server.advance(2)
    first, second, third = client.pushes(3)
    assert first == second
    assert bar(third) == bar(first) + 300_000


def test_push_is_lost(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = candles(exchange_server, open_socket)
    before = exchange_server.get("/paper/clock")["market_ms"]
    plan(exchange_server, name="push_lost", path="candle5m")
    exchange_server.advance(2)
    (push,) = client.pushes(1)
    assert bar(push) == before + 300_000
    entry = exchange_server.get("/paper/ledger", kind="fault")["entries"][-1]
    assert (entry["fault"], entry["path"]) == ("push_lost", "/ws/v5/business/candle5m")


def test_late_push_is_overtaken(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = candles(exchange_server, open_socket)
    plan(exchange_server, name="push_late", path="candle5m", seconds=0.3)
    exchange_server.advance(2)
    first, second = client.pushes(2)
    assert bar(second) == bar(first) - 300_000


def test_pushes_change_places(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = candles(exchange_server, open_socket)
    plan(exchange_server, name="push_out_of_order", path="candle5m", seconds=60)
    exchange_server.advance(3)
    stamps = [bar(push) for push in client.pushes(3)]
    assert stamps == [stamps[1] + 300_000, stamps[1], stamps[1] + 600_000]


def test_lone_push_out_of_order_leaves_after_its_time(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = candles(exchange_server, open_socket)
    plan(exchange_server, name="push_out_of_order", path="candle5m", seconds=0.2)
    exchange_server.advance(1)
    assert len(client.pushes(1)) == 1


def test_gap_swallows_a_whole_bar(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = open_socket("business")
    client.subscribe(channel="candle15m", instId=BTC)
    client.pushes(1)
    while exchange_server.advance()["market_ms"] % 900_000:
        pass
    opened = exchange_server.get("/paper/clock")["market_ms"]
    while bar(client.pushes(1)[0]) < opened - 900_000:
        pass
    plan(exchange_server, name="candle_gap", path="candle15m")
    exchange_server.advance(6)
    stamps = [bar(push) for push in client.pushes(1)]
    while stamps[-1] < opened:
        stamps.append(bar(client.pushes(1)[0]))
    assert opened not in stamps
    assert stamps[-1] == opened + 900_000


def test_fill_is_pushed_before_the_acknowledgement(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = open_socket("private")
    client.subscribe(channel="orders", instType="SWAP")
    plan(exchange_server, name="ack_after_push", path="/private/order$", seconds=0.1)
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    client.send({"id": "1", "op": "order", "args": [order]})
    seen = []
    while not seen or seen[-1] != "ack":
        message = client.read()
        if message.get("op") == "order":
            seen.append("ack")
        elif message.get("arg", {}).get("channel") == "orders":
            seen.append(message["data"][0]["state"])
    assert seen == ["live", "filled", "ack"]


@pytest.mark.parametrize("name, placed", [("reply_lost_after_accept", True), ("request_lost", False)])
def test_operation_over_the_socket_is_lost_with_and_without_effect(
    exchange_server: ExchangeProcess, open_socket: Open, clients: dict[str, Any], name: str, placed: bool
) -> None:
    client = open_socket("private", 0.5)
    plan(exchange_server, name=name, path="/private/order$")
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    client.send({"id": "1", "op": "order", "args": [{**order, "clOrdId": f"ws{placed}"}]})
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.read()
    assert (clients["trade"].get_order(BTC, clOrdId=f"ws{placed}")["code"] == "0") is placed


@pytest.mark.parametrize("placed", [True, False])
def test_operation_over_the_socket_times_out_either_way(
    exchange_server: ExchangeProcess, open_socket: Open, clients: dict[str, Any], placed: bool
) -> None:
    client = open_socket("private")
    plan(exchange_server, name="51149", path="/private/order$", placed=placed)
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    client.send({"id": "9", "op": "order", "args": [{**order, "clOrdId": f"wst{placed}"}]})
    answer = client.read()
    assert (answer["id"], answer["code"], answer["data"]) == ("9", "51149", [])
    assert (clients["trade"].get_order(BTC, clOrdId=f"wst{placed}")["code"] == "0") is placed


def test_notice_comes_before_the_sockets_are_closed(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = open_socket("public")
    plan(exchange_server, name="ws_notice", seconds=0.2)
    notice = client.read()
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert client.raw.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE


def test_socket_is_reset_without_a_close_frame(exchange_server: ExchangeProcess, open_socket: Open) -> None:
    client = open_socket("public")
    plan(exchange_server, name="ws_reset", path="/public")
    with pytest.raises((ConnectionResetError, websocket.WebSocketConnectionClosedException)):
        client.read()
