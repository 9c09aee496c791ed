"""websocket-client against all three endpoints: login, subscriptions, pushes, order operations."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websocket

from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"


def login_message(keys: dict[str, str], secret: str = "") -> dict[str, Any]:
    stamp = str(int(time.time()))  # noqa: TID251 - a client signs with its own clock
    message = f"{stamp}GET/users/self/verify".encode()
    sign = base64.b64encode(hmac.digest((secret or keys["secret_key"]).encode(), message, "sha256")).decode()
    arg = {"apiKey": keys["api_key"], "passphrase": keys["passphrase"], "timestamp": stamp, "sign": sign}
    return {"op": "login", "args": [arg]}


class Socket:
    """A client that reads until it has what it waits for."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, timeout=10)

    def send(self, message: Any) -> None:
        self._socket.send(message if isinstance(message, str) else json.dumps(message))

    def read(self) -> Any:
        text = self._socket.recv()
        return text if text == "pong" else json.loads(text)

    def until(self, channel: str, event: str = "") -> dict[str, Any]:
        for _ in range(500):
            message = self.read()
            if message.get("arg", {}).get("channel") == channel and message.get("event", "") == event:
                return dict(message)
        raise AssertionError(f"no {event or 'push'} on {channel}")

    def subscribe(self, **arg: str) -> dict[str, Any]:
        self.send({"op": "subscribe", "args": [arg]})
        return self.until(arg["channel"], "subscribe")

    def login(self, keys: dict[str, str], secret: str = "") -> Any:
        self.send(login_message(keys, secret))
        return self.read()

    def close(self) -> None:
        self._socket.close()
        self._socket.shutdown()  # closing does nothing once the other side has closed


@contextmanager
def connected(server: ExchangeProcess, endpoint: str, login: bool = False) -> Iterator[Socket]:
    socket = Socket(f"{server.ws_url}/{endpoint}")
    if login:
        assert socket.login(server.account)["code"] == "0"
    yield socket
    socket.close()


def buy(clients: dict[str, Any], **more: Any) -> Any:
    return clients["trade"].place_order(BTC, "isolated", "buy", "market", "1", **more)


def test_text_ping_gets_pong(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "public") as socket:
        socket.send("ping")
        assert socket.read() == "pong"


def test_acknowledgement_echoes_argument_and_id(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "public") as socket:
        arg = {"channel": "tickers", "instId": BTC}
        socket.send({"id": "a1", "op": "subscribe", "args": [arg]})
        ack = socket.read()
        assert (ack["event"], ack["arg"], ack["id"]) == ("subscribe", arg, "a1")
        assert socket.until("tickers")["data"][0]["instId"] == BTC


@pytest.mark.parametrize(
    "channel",
    [
        "tickers",
        "trades",
        "books5",
        "bbo-tbt",
        "mark-price",
        "index-tickers",
        "funding-rate",
        "open-interest",
        "price-limit",
    ],
)
def test_public_channels_push_at_every_bar(exchange_server: ExchangeProcess, channel: str) -> None:
    with connected(exchange_server, "public") as socket:
        socket.subscribe(channel=channel, instId="BTC-USDT" if channel == "index-tickers" else BTC)
        first = socket.until(channel)["data"][0]
        exchange_server.advance()
        second = socket.until(channel)["data"][0]
        assert int(second["ts"]) - int(first["ts"]) == 300_000


def test_closing_candle_is_confirmed_and_equals_history(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    with connected(exchange_server, "business") as socket:
        socket.subscribe(channel="candle5m", instId=BTC)
        socket.until("candle5m")
        clock = exchange_server.advance(2)
        rows = [socket.until("candle5m")["data"][0] for _ in range(2)]
        assert [row[8] for row in rows] == ["1", "1"]
        assert int(rows[1][0]) == clock["market_ms"] - 300_000
        assert clients["market"].get_candlesticks(BTC, bar="5m", limit="2")["data"] == rows[::-1]


def test_open_higher_candle_shows_its_state_at_each_decision_bar(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "business") as socket:
        socket.subscribe(channel="candle1H", instId=BTC)
        socket.until("candle1H")
        exchange_server.advance(12)
        confirms = [socket.until("candle1H")["data"][0][8] for _ in range(12)]
        assert confirms.count("1") == 1


def test_book_updates_keep_the_snapshot_right(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "public") as socket:
        socket.subscribe(channel="books", instId=BTC)
        snapshot = socket.until("books")
        assert (snapshot["action"], snapshot["data"][0]["prevSeqId"]) == ("snapshot", -1)
        book = {side: {row[0]: row[1] for row in snapshot["data"][0][side]} for side in ("asks", "bids")}
        exchange_server.advance()
        update = socket.until("books")
        assert update["data"][0]["prevSeqId"] == snapshot["data"][0]["seqId"]
        for side in ("asks", "bids"):
            for px, sz, *_ in update["data"][0][side]:
                book[side].pop(px, None) if sz == "0" else book[side].update({px: sz})
        fresh = clients["market"].get_orderbook(BTC, "400")["data"][0]
        for side in ("asks", "bids"):
            assert book[side] == {row[0]: row[1] for row in fresh[side]}


def test_candles_on_the_public_endpoint_are_refused_as_migrated(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "public") as socket:
        socket.send({"op": "subscribe", "args": [{"channel": "candle5m", "instId": BTC}]})
        assert socket.read()["code"] == "64001"


@pytest.mark.parametrize(
    "request_, code",
    [
        ("not json", "60012"),
        ({"op": "dance"}, "60019"),
        ({"op": ["subscribe"], "args": [{"channel": "status"}]}, "60012"),
        ({"op": "subscribe", "args": [{"channel": "orders", "instType": "SWAP"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SHIP"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "tickers", "instId": ["BTC-USDT-SWAP"]}]}, "60012"),
        ({"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "index-tickers", "instId": "BTC-USDT-SWAP"}]}, "60018"),
        ({"op": "subscribe", "id": "no-hyphens", "args": [{"channel": "tickers", "instId": BTC}]}, "60012"),
        ({"op": "subscribe", "id": "x" * 33, "args": [{"channel": "tickers", "instId": BTC}]}, "60012"),
        ({"op": "subscribe", "args": [{"channel": "nothing"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "tickers", "instId": "NO-SUCH-SWAP"}]}, "60018"),
        ({"op": "subscribe", "args": [{"channel": "tickers"}]}, "60012"),
        ({"op": "subscribe", "args": "tickers"}, "60012"),
    ],
)
def test_bad_requests_are_answered_with_codes(exchange_server: ExchangeProcess, request_: Any, code: str) -> None:
    with connected(exchange_server, "public") as socket:
        socket.send(request_)
        answer = socket.read()
        assert (answer["event"], answer["code"]) == ("error", code)


def test_private_channels_need_a_login(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "private") as socket:
        socket.send({"op": "subscribe", "args": [{"channel": "orders", "instType": "SWAP"}]})
        assert socket.read()["code"] == "60011"


def test_wrong_signature_is_refused_and_disconnected(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "private") as socket:
        assert socket.login(exchange_server.account, secret="wrong")["code"] == "60007"
        with pytest.raises((websocket.WebSocketConnectionClosedException, json.JSONDecodeError)):
            socket.read()


def test_fill_is_pushed_as_live_then_filled_with_position_and_balance(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        for channel in ("orders", "positions"):
            socket.subscribe(channel=channel, instType="SWAP")
        socket.subscribe(channel="account")
        socket.subscribe(channel="balance_and_position")
        assert socket.until("balance_and_position")["data"][0]["eventType"] == "snapshot"
        placed = buy(clients, clOrdId="ws1")["data"][0]
        first, second = socket.until("orders"), socket.until("orders")
        assert (first["data"][0]["state"], second["data"][0]["state"]) == ("live", "filled")
        assert second["arg"]["uid"] == exchange_server.account["uid"]
        filled = second["data"][0]
        assert (filled["ordId"], filled["fillSz"], filled["execType"]) == (placed["ordId"], "1", "T")
        assert filled["tradeId"]
        position = socket.until("positions")
        assert (position["eventType"], position["data"][0]["pos"]) == ("event_update", "1")
        assert socket.until("account")["data"][0]["details"][0]["ccy"] == "USDT"
        assert socket.until("balance_and_position")["data"][0]["eventType"] == "filled"
        clients["trade"].close_positions(BTC, "isolated")
        assert socket.until("positions")["data"][0]["pos"] == "0"


def test_algo_orders_are_pushed_on_business(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "business", login=True) as socket:
        socket.subscribe(channel="orders-algo", instType="ANY")
        last = float(clients["market"].get_ticker(BTC)["data"][0]["last"])
        buy(clients, attachAlgoOrds=[{"slTriggerPx": f"{last * 0.98:.1f}", "slOrdPx": "-1"}])
        born = socket.until("orders-algo")["data"][0]
        assert (born["state"], born["ordType"], born["sz"]) == ("live", "conditional", "1")
        clients["trade"].close_positions(BTC, "isolated")
        assert socket.until("orders-algo")["data"][0]["state"] == "canceled"


def test_orders_can_be_placed_and_cancelled_by_instrument_code(
    exchange_server: ExchangeProcess, clients: dict[str, Any]
) -> None:
    code = clients["public"].get_instruments("SWAP", instId=BTC)["data"][0]["instIdCode"]
    price = clients["market"].get_ticker(BTC)["data"][0]["last"]
    arg = {"instIdCode": code, "tdMode": "isolated", "side": "buy", "ordType": "limit", "sz": 1, "posSide": "net",
           "px": f"{float(price) * 0.97:.1f}", "clOrdId": "wsop1"}  # fmt: skip
    with connected(exchange_server, "private", login=True) as socket:
        socket.send({"id": "1", "op": "order", "args": [arg]})
        answer = socket.read()
        assert (answer["id"], answer["op"], answer["code"]) == ("1", "order", "0")
        assert answer["inTime"] <= answer["outTime"]
        socket.send({"id": "2", "op": "cancel-order", "args": [{"instIdCode": code, "clOrdId": "wsop1"}]})
        assert socket.read()["data"][0]["sCode"] == "0"
        socket.send({"id": "3", "op": "order", "args": [{**arg, "sz": "0"}]})
        refused = socket.read()
        assert (refused["code"], refused["data"][0]["sCode"]) == ("1", "51000")
        socket.send({"id": "4", "op": "order", "args": [arg], "expTime": "1000"})
        assert socket.read()["code"] == "50036"


def test_unsubscribed_channel_is_silent(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "public") as socket:
        socket.subscribe(channel="mark-price", instId=BTC)
        socket.send({"op": "unsubscribe", "args": [{"channel": "mark-price", "instId": BTC}]})
        socket.until("mark-price", "unsubscribe")
        socket.subscribe(channel="tickers", instId=BTC)
        exchange_server.advance()
        socket.send("ping")
        seen = []
        while (message := socket.read()) != "pong":
            seen.append(message["arg"]["channel"])
        assert set(seen) == {"tickers"}
