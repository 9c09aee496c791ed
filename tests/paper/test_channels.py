"""Private and business channels beyond the basic ones, and what a connection may ask for."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exchange.order_book import LocalBook
from paper.launch import ExchangeProcess, launch
from tests.paper.test_websocket import Socket, connected

BTC = "BTC-USDT-SWAP"


def order(**more: Any) -> dict[str, Any]:
    return {"instIdCode": 10459, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1", **more}


def operate(socket: Socket, op: str, *args: dict[str, Any], **more: Any) -> Any:
    socket.send({"id": "7", "op": op, "args": list(args), **more})
    while True:
        answer = socket.read()
        if answer.get("op") == op:
            return answer


def test_second_login_is_refused(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        assert socket.login(exchange_server.account)["code"] == "60031"


def test_thirty_connections_may_have_a_private_channel(exchange_server: ExchangeProcess) -> None:
    sockets = []
    try:
        for number in range(1, 32):
            socket = Socket(f"{exchange_server.ws_url}/private")
            sockets.append(socket)
            assert socket.login(exchange_server.account)["code"] == "0"
            socket.subscribe(channel="orders", instType="SWAP")
            told = socket.read()
            expected = "channel-conn-count" if number <= 30 else "channel-conn-count-error"
            assert (told["event"], told["connCount"]) == (expected, str(min(number, 30)))
    finally:
        for socket in sockets:
            socket.close()


def test_operations_answer_in_the_words_of_rest(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        answer = operate(socket, "batch-orders", order(clOrdId="w1"), order(sz="0.001"))
        assert (answer["code"], answer["msg"]) == ("2", "Bulk operation partially succeeded.")
        assert [row["sCode"] for row in answer["data"]] == ["0", "51020"]
        assert {"id", "op", "inTime", "outTime"} <= set(answer)
        nameless = operate(socket, "order", {key: value for key, value in order().items() if key != "instIdCode"})
        assert nameless["data"][0]["sMsg"] == "Parameter instIdCode can not be empty."
        assert operate(socket, "order", order(instIdCode=1))["data"][0]["sCode"] == "51001"
        assert operate(socket, "batch-orders", *[order()] * 21)["code"] == "51111"
        assert operate(socket, "order", order(), expTime="1000")["code"] == "50036"
        assert operate(socket, "order", order(), order())["code"] == "60013"
    assert len(clients["account"].get_positions()["data"]) == 1


def test_fills_channel_names_each_execution(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        socket.subscribe(channel="fills")
        placed = clients["trade"].place_order(BTC, "isolated", "buy", "market", "1", clOrdId="filled1")["data"][0]
        (fill,) = socket.until("fills")["data"]
        assert (fill["ordId"], fill["fillSz"], fill["execType"]) == (placed["ordId"], "1", "T")
        assert fill["tradeId"] == clients["trade"].get_fills()["data"][0]["tradeId"]


def test_trailing_stops_are_told_on_algo_advance(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "business", login=True) as socket:
        socket.subscribe(channel="algo-advance", instType="SWAP")
        clients["trade"].place_order(BTC, "isolated", "buy", "market", "1")
        placed = clients["trade"].place_algo_order(
            BTC, "isolated", "sell", "move_order_stop", "1", callbackRatio="0.05", reduceOnly="true"
        )["data"][0]
        (row,) = socket.until("algo-advance")["data"]
        assert (row["algoId"], row["callbackRatio"], row["state"]) == (placed["algoId"], "0.05", "live")
        assert float(row["moveTriggerPx"]) > 0


def test_low_margin_ratio_is_warned_of_once(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        socket.subscribe(channel="liquidation-warning", instType="SWAP")
        clients["account"].set_leverage("100", "isolated", instId=BTC)
        assert clients["trade"].place_order(BTC, "isolated", "buy", "market", "1")["code"] == "0"
        exchange_server.advance()
        (row,) = socket.until("liquidation-warning")["data"]
        assert (row["instId"], row["mgnMode"]) == (BTC, "isolated")
        assert 0 < float(row["mgnRatio"]) <= 3
    clients["trade"].close_positions(BTC, "isolated")
    clients["account"].set_leverage("3", "isolated", instId=BTC)


def test_all_trades_come_one_by_one(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "business") as socket:
        socket.subscribe(channel="trades-all", instId=BTC)
        first = socket.until("trades-all")["data"][0]
        exchange_server.advance()
        second = socket.until("trades-all")["data"][0]
        assert int(second["tradeId"]) > int(first["tradeId"])
        assert "count" not in second


def test_regular_snapshots_stop_on_request(exchange_server: ExchangeProcess) -> None:
    with (
        connected(exchange_server, "private", login=True) as usual,
        connected(exchange_server, "private", login=True) as quiet,
    ):
        quiet.subscribe(channel="account", extraParams='{"updateInterval": "0"}')
        usual.subscribe(channel="account")
        assert [each.until("account")["eventType"] for each in (usual, quiet)] == ["snapshot"] * 2
        assert usual.until("account")["eventType"] == "snapshot"
        quiet.send("ping")
        assert quiet.read() == "pong"


def test_at_speed_one_quotes_that_stand_are_said_again_with_the_time_of_now(tmp_path: Path) -> None:
    """The market moves every 15 s; clients refuse to trade on quotes older than 10 s, and the price is the price."""
    server = launch(tmp_path / "real-time", ["--speed", "1", "--warmup-bars", "600"])
    channels = ("tickers", "books", "mark-price", "open-interest")
    said: dict[str, list[int]] = {channel: [] for channel in channels}
    book = LocalBook()
    try:
        with connected(server, "public") as socket:
            socket.send({"op": "subscribe", "args": [{"channel": channel, "instId": BTC} for channel in channels]})
            while any(len(stamps) < 6 for stamps in said.values()):
                message = socket.read()
                if "data" not in message:
                    continue
                (row,) = message["data"]
                said[message["arg"]["channel"]].append(int(row["ts"]))
                if message["arg"]["channel"] == "books":
                    assert book.apply(message["action"], row)
    finally:
        server.stop()
    for stamps in said.values():
        steps = [later - earlier for earlier, later in pairwise(stamps)]
        assert min(steps) >= 0
        # Of six words one may be that of the market's own step; the others come in between.
        assert sorted(steps)[len(steps) // 2] < 15_000
    assert book.whole


def test_connections_are_counted_where_okx_counts_them(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "business", login=True) as socket:
        socket.subscribe(channel="orders-algo", instType="SWAP")
        socket.send("ping")
        assert socket.read() == "pong"


def test_public_channels_are_refused_on_business(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "business") as socket:
        socket.send({"op": "subscribe", "args": [{"channel": "tickers", "instId": BTC}]})
        assert socket.read()["code"] == "64002"


@pytest.mark.parametrize(
    "arg, code",
    [
        ({"channel": "orders", "instType": "SHIP"}, "60018"),
        ({"channel": "orders", "instType": ["SWAP"]}, "60012"),
        ({"channel": "orders", "instType": "SWAP", "instId": "NO-SUCH-SWAP"}, "60018"),
        ({"channel": "orders", "instType": "SWAP", "instFamily": "NO-SUCH"}, "60018"),
        ({"channel": "positions", "instType": "SWAP", "extraParams": "{"}, "60012"),
        ({"channel": "positions", "instType": "SWAP", "extraParams": 7}, "60012"),
        ({"channel": "positions"}, "60012"),
    ],
)
def test_private_subscription_that_makes_no_sense_is_refused(
    exchange_server: ExchangeProcess, arg: dict[str, Any], code: str
) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        socket.send({"op": "subscribe", "id": "s1", "args": [arg]})
        answer = socket.read()
        assert (answer["event"], answer["code"], answer["id"]) == ("error", code, "s1")
        if code == "60018":
            named = ",".join(f"{name}:{value}" for name, value in arg.items())
            assert answer["msg"].startswith(f"Wrong URL or {named} doesn't exist.")


@pytest.mark.parametrize(
    "broken",
    [
        {"expTime": "9" * 5000},
        {"expTime": "soon"},
        {"id": "with-hyphen"},
        {"id": "x" * 33},
        {"id": ["7"]},
        {"args": [{"instIdCode": 10459, "x": [[[[[]]]] * 20] * 20}]},
    ],
)
def test_operation_that_makes_no_sense_is_answered(exchange_server: ExchangeProcess, broken: dict[str, Any]) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        socket.send({"id": "7", "op": "order", "args": [{"instIdCode": 10459}], **broken})
        assert socket.read()["code"] in ("51000", "60013", "1")
        socket.send("ping")
        assert socket.read() == "pong"


@pytest.mark.parametrize("op", ["order", "subscribe", "unsubscribe", "login"])
def test_nesting_no_writer_can_take_is_an_invalid_request(exchange_server: ExchangeProcess, op: str) -> None:
    with connected(exchange_server, "private", login=True) as socket:
        deep = "[" * 300 + "]" * 300
        named = '"instIdCode": 10459, "channel": "orders"'
        socket.send(f'{{"id": "7", "op": "{op}", "args": [{{{named}, "x": {deep}}}]}}')
        assert socket.read()["code"] == "60012"
        socket.send("ping")
        assert socket.read() == "pong"


def test_latecomer_gets_the_book_as_it_is(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    """The last follower's book is no answer to one who comes when time has passed."""
    with connected(exchange_server, "public") as socket:
        socket.subscribe(channel="books", instId=BTC)
        socket.until("books")
    exchange_server.advance(3)
    with connected(exchange_server, "public") as socket:
        socket.subscribe(channel="books", instId=BTC)
        (shown,) = socket.until("books")["data"]
    (row,) = clients["market"].get_orderbook(BTC, sz="400")["data"]
    assert (shown["asks"], shown["bids"], shown["prevSeqId"]) == (row["asks"], row["bids"], -1)


def test_book_messages_form_a_chain_for_everyone(exchange_server: ExchangeProcess) -> None:
    with connected(exchange_server, "public") as first, connected(exchange_server, "public") as second:
        seen: dict[int, list[dict[str, Any]]] = {0: [], 1: []}
        for number, socket in enumerate((first, second)):
            socket.subscribe(channel="books", instId=BTC)
            exchange_server.advance()
            for _ in range(2):
                seen[number].append(socket.until("books")["data"][0])
        for messages in seen.values():
            assert messages[1]["prevSeqId"] == messages[0]["seqId"]
        exchange_server.advance()
        assert first.until("books")["data"][0]["seqId"] == seen[1][-1]["seqId"]
