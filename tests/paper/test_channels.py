"""Private and business channels beyond the basic ones, and what a connection may ask for."""

from typing import Any

from paper.launch import ExchangeProcess
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
