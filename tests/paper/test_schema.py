"""Every answer holds the keys and JSON types of the documentation's samples (`okx_samples/`)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paper.launch import ExchangeProcess, launch
from paper.server.channels import by_index, endpoint_of, needs_login
from paper.server.rest import ROUTES
from tests.paper.test_websocket import Socket

BTC = "BTC-USDT-SWAP"
SAMPLES = Path(__file__).parent / "okx_samples"
SWAP = {"instType": "SWAP"}

GETS: dict[str, dict[str, str]] = {
    "public_time": {}, "public_instruments": SWAP, "account_instruments": SWAP, "market_ticker": {"instId": BTC},
    "market_tickers": SWAP, "market_books": {"instId": BTC, "sz": "5"}, "market_books-full": {"instId": BTC, "sz": "5"},
    "market_candles": {"instId": BTC}, "market_history-candles": {"instId": BTC}, "market_trades": {"instId": BTC},
    "market_history-trades": {"instId": BTC}, "account_balance": {}, "account_config": {}, "account_bills": {},
    "account_bills-archive": {}, "account_trade-fee": SWAP,
    "account_max-size": {"instId": BTC, "tdMode": "isolated"},
    "account_max-avail-size": {"instId": BTC, "tdMode": "isolated"}, "trade_order": {"instId": BTC, "clOrdId": "rest"},
    "trade_orders-pending": {}, "trade_orders-history": SWAP, "trade_fills-history": SWAP,
    "trade_account-rate-limit": {}, "trade_orders-algo-pending": {"ordType": "conditional,move_order_stop"},
    "trade_orders-algo-history": {"ordType": "conditional", "state": "canceled"},
}  # fmt: skip

# Calls whose answer has the shape of another call's sample.
ALIKE: dict[str, tuple[str, dict[str, str]]] = {
    "trade/order-algo": ("trade_orders-algo-pending", {"algoClOrdId": "stop"}),
    "trade/orders-history-archive": ("trade_orders-history", SWAP),
}
# Calls without a sample: the field list the documentation prints.
FIELDS: dict[str, Any] = json.loads((SAMPLES / "fields.json").read_text())
PRECHECK = (
    "adjEq adjEqChg imr imrChg mmr mmrChg mgnRatio mgnRatioChg availBal availBalChg liqPx liqPxDiff liqPxDiffRatio "
    "posBal posBalChg liab liabChg liabChgCcy type"
)
# Channels: the fields the documentation prints for their pushes, and for their inner objects.
CHANNEL_FIELDS: dict[str, dict[str, list[str]]] = json.loads((SAMPLES / "ws_fields.json").read_text())
NOT_STRINGS = {
    "closeOrderAlgo": list, "enabled": bool, "balData": list, "posData": list, "trades": list, "details": list,
    "attachAlgoOrds": list, "linkedAlgoOrd": dict, "ordIdList": list, "linkedOrd": dict, "asks": list, "bids": list,
    "seqId": int, "futureSettlement": bool, "tradeQuoteCcyList": list, "instIdCode": int, "collateralEnabled": bool,
    "collateralRestrict": bool,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    started = launch(
        tmp_path_factory.mktemp("schema"),
        ["--speed", "lockstep", "--admin", "--warmup-bars", "400", "--switch", "instruments_greeting=list"],
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def call(server: ExchangeProcess) -> Iterator[Any]:
    """`call(method, path, params)` signed, on an account that has one of everything."""
    from okx.Trade import TradeAPI

    keys = server.account
    client = TradeAPI(keys["api_key"], keys["secret_key"], keys["passphrase"], flag="1", domain=server.rest_url)

    def send(method: str, path: str, params: Any) -> Any:
        return client._request_with_params(method, f"/api/v5/{path}", params)

    price = float(send("GET", "market/ticker", {"instId": BTC})["data"][0]["last"])
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "sz": "1"}
    away = {"ordType": "limit", "px": f"{price * 0.97:.1f}"}
    send("POST", "trade/order", {**order, "ordType": "market"})
    stop = {**order, "side": "sell", "ordType": "conditional", "slTriggerPx": f"{price * 0.97:.1f}", "slOrdPx": "-1",
            "reduceOnly": "true"}  # fmt: skip
    gone = send("POST", "trade/order-algo", stop)["data"][0]["algoId"]
    send("POST", "trade/cancel-algos", [{"instId": BTC, "algoId": gone}])
    send("POST", "trade/close-position", {"instId": BTC, "mgnMode": "isolated"})
    send("POST", "trade/order", {**order, "ordType": "market"})
    send("POST", "trade/order-algo", {**stop, "algoClOrdId": "stop"})
    send("POST", "trade/order-algo", {**stop, "sz": "", "closeFraction": "1"})
    send("POST", "trade/order-algo", {**stop, "ordType": "move_order_stop", "callbackRatio": "0.05"})
    send("POST", "trade/order", {**order, **away, "clOrdId": "rest"})
    yield send
    client.close()


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def differences(wanted: Any, got: Any, where: str = "") -> list[str]:
    """Keys that are missing and values of another JSON type."""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [f"{where}: {type(got).__name__} for an object"]
        found = [f"{where}.{key}: missing" for key in wanted if key not in got]
        for key in wanted.keys() & got.keys():
            found += differences(wanted[key], got[key], f"{where}.{key}")
        return found
    if isinstance(wanted, list):
        if not isinstance(got, list):
            return [f"{where}: {type(got).__name__} for an array"]
        return differences(wanted[0], got[0], f"{where}[]") if wanted and got else []
    return [] if type(wanted) is type(got) else [f"{where}: {type(got).__name__} for {type(wanted).__name__}"]


@pytest.mark.parametrize("name", GETS)
def test_answer_has_the_shape_of_the_sample(call: Any, name: str) -> None:
    answer = call("GET", name.replace("_", "/", 1), GETS[name])
    assert answer["data"], answer
    assert differences(sample(name), answer) == []


@pytest.mark.parametrize("path", ALIKE)
def test_answer_has_the_shape_of_its_twin(call: Any, path: str) -> None:
    name, params = ALIKE[path]
    answer = call("GET", path, params)
    assert answer["data"], answer
    assert differences(sample(name), answer) == []


@pytest.mark.parametrize("path", FIELDS)
def test_answer_has_every_documented_field_as_text(call: Any, path: str) -> None:
    answer = call("GET", path, FIELDS[path]["params"])
    assert answer["data"], answer
    row = answer["data"][0]
    assert set(FIELDS[path]["fields"]) - set(row) == set()
    for key, value in row.items():
        assert isinstance(value, NOT_STRINGS.get(key, str)), key


def test_order_operations_answer_like_the_samples(call: Any) -> None:
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "limit", "sz": "1", "clOrdId": "op1"}
    px = call("GET", "trade/order", {"instId": BTC, "clOrdId": "rest"})["data"][0]["px"]
    for name, path, params in (
        ("place", "trade/order", {**order, "px": px}),
        ("place_batch", "trade/batch-orders", [{**order, "px": px, "clOrdId": "op2"}]),
        ("amend", "trade/amend-order", {"instId": BTC, "clOrdId": "op1", "newSz": "2"}),
        ("cancel", "trade/cancel-order", {"instId": BTC, "clOrdId": "op1"}),
        ("amend", "trade/amend-batch-orders", [{"instId": BTC, "clOrdId": "op2", "newSz": "2"}]),
        ("cancel", "trade/cancel-batch-orders", [{"instId": BTC, "clOrdId": "op2"}]),
        ("amend-algos", "trade/amend-algos", {"instId": BTC, "algoClOrdId": "stop", "newSz": "0.5"}),
        ("cancel-all-after", "trade/cancel-all-after", {"timeOut": "0"}),
    ):
        answer = call("POST", path, params)
        assert answer["code"] == "0", answer
        assert differences(sample(name), answer) == []


def test_cancelled_algo_answers_like_the_sample(call: Any) -> None:
    found = call("GET", "trade/orders-algo-pending", {"ordType": "move_order_stop"})["data"][0]
    answer = call("POST", "trade/cancel-algos", [{"instId": BTC, "algoId": found["algoId"]}])
    assert differences(sample("cancel-algos"), answer) == []


@pytest.mark.parametrize(
    "channel, endpoint, arg",
    [
        ("tickers", "public", {"instId": BTC}),
        ("trades", "public", {"instId": BTC}),
        ("books", "public", {"instId": BTC}),
        ("books5", "public", {"instId": BTC}),
        ("bbo-tbt", "public", {"instId": BTC}),
        ("candle1m", "business", {"instId": BTC}),
        ("trades-all", "business", {"instId": BTC}),
        ("account", "private", {}),
        ("orders", "private", SWAP),
        ("orders-algo", "business", SWAP),
    ],
)
def test_push_has_the_shape_of_the_sample(
    server: ExchangeProcess, call: Any, channel: str, endpoint: str, arg: dict[str, str]
) -> None:
    socket = Socket(f"{server.ws_url}/{endpoint}")
    if channel in ("account", "orders", "orders-algo"):
        assert socket.login(server.account)["code"] == "0"
    socket.subscribe(channel=channel, **arg)
    if channel == "orders":
        call(
            "POST", "trade/order", {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
        )
    if channel == "orders-algo":
        answer = call("POST", "trade/amend-algos", {"instId": BTC, "algoClOrdId": "stop", "newSz": "0.7"})
        assert answer["code"] == "0"
    wanted = sample(f"ws_{channel}")
    wanted["arg"] = {key: value for key, value in wanted["arg"].items() if key in ("channel", "instType", "instId")}
    pushed = socket.until(channel)
    socket.close()
    wanted["arg"] = {key: wanted["arg"][key] for key in wanted["arg"] if key in pushed["arg"]}
    assert differences(wanted, pushed) == []


def test_every_call_has_its_shape_tested() -> None:
    """Each route is in one of this file's lists, or is an operation tested above."""
    tested = {("GET", f"/api/v5/{name.replace('_', '/', 1)}") for name in GETS}
    tested |= {("GET", f"/api/v5/{path}") for path in (*FIELDS, *ALIKE)}
    operations = {"order", "batch-orders", "amend-order", "cancel-order", "amend-algos", "cancel-all-after",
                  "order-algo", "cancel-algos", "close-position", "order-precheck", "cancel-batch-orders",
                  "amend-batch-orders"}  # fmt: skip
    tested |= {("POST", f"/api/v5/trade/{name}") for name in operations}
    settings = ("set-leverage", "set-position-mode", "position/margin-balance")
    tested |= {("POST", f"/api/v5/account/{name}") for name in settings}
    tested |= {("GET", path) for method, path in ROUTES if "candles" in path and method == "GET"}
    empty = {("GET", f"/api/v5/{path}") for path in ("asset/currencies", "asset/balances", "system/status")}
    assert set(ROUTES) - tested - empty == set()


@pytest.mark.parametrize("path", ["mark-price-candles", "index-candles"])
@pytest.mark.parametrize("history", ["", "history-"])
def test_derived_candles_have_six_fields(call: Any, path: str, history: str) -> None:
    inst_id = "BTC-USDT" if "index" in path else BTC
    rows = call("GET", f"market/{history}{path}", {"instId": inst_id})["data"]
    assert {len(row) for row in rows} == {6}
    assert all(isinstance(value, str) for row in rows for value in row)


def test_settings_answer_with_the_documented_fields(call: Any) -> None:
    for path, params, fields in (
        ("account/set-leverage", {"instId": "ETH-USDT-SWAP", "mgnMode": "cross", "lever": "4"},
         {"lever", "mgnMode", "instId", "posSide"}),
        ("account/position/margin-balance", {"instId": BTC, "posSide": "net", "type": "add", "amt": "1"},
         {"instId", "posSide", "amt", "type", "leverage", "ccy"}),
    ):  # fmt: skip
        (row,) = call("POST", path, params)["data"]
        assert set(row) == fields
        assert all(isinstance(value, str) for value in row.values())
    assert call("POST", "account/set-position-mode", {"posMode": "net_mode"})["data"] == [{"posMode": "net_mode"}]


def test_algo_and_close_answer_with_the_documented_fields(call: Any) -> None:
    order = {"instId": "ETH-USDT-SWAP", "tdMode": "cross", "side": "buy", "sz": "1"}
    assert call("POST", "trade/order", {**order, "ordType": "market"})["code"] == "0"
    stop = {**order, "side": "sell", "ordType": "conditional", "slTriggerPx": "100", "slOrdPx": "-1"}
    (placed,) = call("POST", "trade/order-algo", stop)["data"]
    assert {"algoId", "clOrdId", "algoClOrdId", "sCode", "sMsg", "tag"} <= set(placed)
    (closed,) = call("POST", "trade/close-position", {"instId": "ETH-USDT-SWAP", "mgnMode": "cross"})["data"]
    assert set(closed) == {"instId", "posSide", "clOrdId", "tag"}


def test_operations_over_a_socket_answer_like_the_samples(server: ExchangeProcess, call: Any) -> None:
    px = call("GET", "trade/order", {"instId": BTC, "clOrdId": "rest"})["data"][0]["px"]
    order = {"instIdCode": 10459, "tdMode": "isolated", "side": "buy", "ordType": "limit", "sz": "1", "px": px}
    named = {"instIdCode": 10459, "clOrdId": "ws1"}
    socket = Socket(f"{server.ws_url}/private")
    assert socket.login(server.account)["code"] == "0"
    for name, op, args in (
        ("ws_place", "order", [{**order, "clOrdId": "ws1"}]),
        ("ws_place_batch", "batch-orders", [{**order, "clOrdId": "ws2"}, {**order, "clOrdId": "ws3"}]),
        ("ws_place_refused", "order", [{**order, "sz": "0.001"}]),
        ("ws_amend", "amend-order", [{**named, "newSz": "2", "reqId": "b1"}]),
        ("ws_amend", "batch-amend-orders", [{**named, "newSz": "3"}]),
        ("ws_cancel", "cancel-order", [named]),
        ("ws_cancel", "batch-cancel-orders", [{"instIdCode": 10459, "clOrdId": name} for name in ("ws2", "ws3")]),
        ("ws_place_invalid", "order", []),
    ):
        socket.send({"id": "1512", "op": op, "args": args})
        answer = socket.read()
        wanted = sample(name)
        assert differences(wanted, answer) == []
        assert (answer["code"], answer["id"], answer["op"]) == (wanted["code"], "1512", op), answer
    socket.close()


def test_events_of_a_connection_are_like_the_samples(server: ExchangeProcess) -> None:
    socket = Socket(f"{server.ws_url}/private")
    assert socket.login(server.account)["code"] == "0"
    socket.subscribe(channel="orders", instType="SWAP")
    assert differences(sample("ws_conn_count"), socket.read()) == []
    server.post("/paper/faults", {"name": "ws_notice"})
    told = socket.read()
    socket.close()
    assert {**told, "connId": ""} == {**sample("ws_notice"), "connId": ""}
    stranger = Socket(f"{server.ws_url}/private")
    assert differences(sample("ws_login_refused"), stranger.login(server.account, secret="wrong")) == []
    stranger.close()


def _stir(server: ExchangeProcess, call: Any, channel: str) -> None:
    """Make something happen that the channel tells of."""
    eth = {"instId": "ETH-USDT-SWAP", "tdMode": "isolated"}
    if channel == "algo-advance":
        call("POST", "trade/order-algo", {**eth, "side": "sell", "ordType": "move_order_stop", "sz": "1",
                                          "callbackRatio": "0.05"})  # fmt: skip
    elif channel == "orders-algo":
        call("POST", "trade/amend-algos", {"instId": BTC, "algoClOrdId": "stop", "newSz": "0.6"})
    elif channel == "liquidation-warning":
        call("POST", "account/set-leverage", {"instId": "SOL-USDT-SWAP", "mgnMode": "isolated", "lever": "50"})
        call("POST", "trade/order", {**eth, "instId": "SOL-USDT-SWAP", "side": "sell", "ordType": "market", "sz": "1"})
        server.advance()
    elif channel in ("orders", "fills"):
        call("POST", "trade/order", {**eth, "side": "buy", "ordType": "market", "sz": "1"})


@pytest.mark.parametrize("channel", CHANNEL_FIELDS)
def test_push_has_every_documented_field(server: ExchangeProcess, call: Any, channel: str) -> None:
    endpoint = endpoint_of(channel)
    socket = Socket(f"{server.ws_url}/{endpoint}")
    if needs_login(channel):
        assert socket.login(server.account)["code"] == "0"
    named = {"instId": "BTC-USDT" if by_index(channel) else BTC} if endpoint == "public" else SWAP
    socket.subscribe(channel=channel, **(SWAP if channel == "instruments" else named))
    _stir(server, call, channel)
    row = socket.until(channel)["data"][0]
    socket.close()
    wanted = CHANNEL_FIELDS[channel]
    assert set(wanted) - set(row) == set()
    for key, value in row.items():
        assert isinstance(value, NOT_STRINGS.get(key, str)), key
    for key, fields in wanted.items():
        inner = row[key] if isinstance(row[key], list) else [row[key]]
        assert all(set(fields) <= set(each) for each in inner if fields)


def test_precheck_shows_every_field_and_leaves_no_trace(call: Any) -> None:
    before = call("GET", "account/balance", {})["data"][0]["details"][0]["availBal"]
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    row = call("POST", "trade/order-precheck", order)["data"][0]
    assert set(row) == set(PRECHECK.split())
    assert float(row["imrChg"]) > 0 > float(row["availBalChg"])
    assert call("GET", "account/balance", {})["data"][0]["details"][0]["availBal"] == before
    refused = call("POST", "trade/order-precheck", {**order, "sz": "9000"})
    assert refused["code"] == "51008"
