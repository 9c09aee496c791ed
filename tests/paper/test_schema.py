"""Every answer holds the keys and JSON types of the documentation's samples (`okx_samples/`)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paper.launch import ExchangeProcess, launch
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

# Calls without a sample: the field list the documentation prints.
FIELDS: dict[str, Any] = json.loads((SAMPLES / "fields.json").read_text())
PRECHECK = (
    "adjEq adjEqChg imr imrChg mmr mmrChg mgnRatio mgnRatioChg availBal availBalChg liqPx liqPxDiff liqPxDiffRatio "
    "posBal posBalChg liab liabChg liabChgCcy type"
)
NOT_STRINGS = {"closeOrderAlgo": list, "enabled": bool, "balData": list, "posData": list}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    started = launch(tmp_path_factory.mktemp("schema"), ["--speed", "lockstep", "--warmup-bars", "400"])
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


def test_precheck_shows_every_field_and_leaves_no_trace(call: Any) -> None:
    before = call("GET", "account/balance", {})["data"][0]["details"][0]["availBal"]
    order = {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    row = call("POST", "trade/order-precheck", order)["data"][0]
    assert set(row) == set(PRECHECK.split())
    assert float(row["imrChg"]) > 0 > float(row["availBalChg"])
    assert call("GET", "account/balance", {})["data"][0]["details"][0]["availBal"] == before
    refused = call("POST", "trade/order-precheck", {**order, "sz": "9000"})
    assert refused["code"] == "51008"
