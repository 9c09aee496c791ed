"""ccxt, unchanged, trades on the exchange."""

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from paper.launch import ExchangeProcess

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def okx(exchange_server: ExchangeProcess) -> Iterator[Any]:
    keys = exchange_server.account
    client = ccxt.okx(
        {
            "apiKey": keys["api_key"], "secret": keys["secret_key"], "password": keys["passphrase"],
            "enableRateLimit": False,
            "options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        }
    )  # fmt: skip
    client.urls["api"] = {"rest": exchange_server.rest_url, "ws": exchange_server.ws_url}
    client.load_markets()
    yield client
    client.close() if hasattr(client, "close") else None


def test_markets_are_read_as_swaps(okx: Any) -> None:
    market = okx.market(SYMBOL)
    assert (market["swap"], market["linear"], market["contractSize"]) == (True, True, 0.01)
    assert len(okx.markets) == 3


def test_candles_and_prices_are_parsed(okx: Any) -> None:
    rows = okx.fetch_ohlcv(SYMBOL, "5m", limit=10)
    assert len(rows) == 10
    for _, opened, high, low, close, volume in rows:
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume > 0
    since = rows[3][0]
    assert okx.fetch_ohlcv(SYMBOL, "5m", since=since, limit=3)[0][0] == since
    assert okx.fetch_ticker(SYMBOL)["last"] > 0
    assert okx.fetch_order_book(SYMBOL, 5)["asks"]
    assert okx.fetch_funding_rate(SYMBOL)["interval"] == "8h"
    assert okx.fetch_open_interest(SYMBOL)["openInterestAmount"] > 0


def test_whole_trade_with_attached_stop(okx: Any) -> None:
    okx.set_leverage(3, SYMBOL, {"mgnMode": "isolated"})
    assert okx.fetch_leverage(SYMBOL, {"marginMode": "isolated"})["longLeverage"] == 3
    last = okx.fetch_ticker(SYMBOL)["last"]
    params = {"marginMode": "isolated", "stopLoss": {"triggerPrice": round(last * 0.98, 1)}}
    placed = okx.create_order(SYMBOL, "market", "buy", 2, None, params)
    order = okx.fetch_order(placed["id"], SYMBOL)
    assert (order["status"], order["filled"]) == ("closed", 2)
    (position,) = okx.fetch_positions([SYMBOL])
    assert (position["side"], position["contracts"], position["marginMode"]) == ("long", 2, "isolated")
    stops = okx.fetch_open_orders(SYMBOL, params={"stop": True, "ordType": "conditional"})
    assert [stop["stopLossPrice"] for stop in stops] == [round(last * 0.98, 1)]
    okx.create_order(SYMBOL, "market", "sell", 2, None, {"marginMode": "isolated", "reduceOnly": True})
    assert okx.fetch_positions([SYMBOL]) == [] or okx.fetch_positions([SYMBOL])[0]["contracts"] in (0, None)
    assert okx.fetch_open_orders(SYMBOL, params={"stop": True, "ordType": "conditional"}) == []
    assert len(okx.fetch_my_trades(SYMBOL)) == 2
    assert okx.fetch_balance()["USDT"]["total"] < 10000


def test_limit_order_lives_and_is_cancelled(okx: Any) -> None:
    last = okx.fetch_ticker(SYMBOL)["last"]
    placed = okx.create_order(SYMBOL, "limit", "buy", 1, round(last * 0.97, 1), {"marginMode": "isolated"})
    assert [o["id"] for o in okx.fetch_open_orders(SYMBOL)] == [placed["id"]]
    okx.cancel_order(placed["id"], SYMBOL)
    assert okx.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"


def test_refusals_become_ccxts_own_errors(okx: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        okx.create_order(SYMBOL, "market", "buy", 11000, None, {"marginMode": "isolated"})
    with pytest.raises(ccxt.BadSymbol):
        okx.public_get_market_ticker({"instId": "NO-SUCH-SWAP"})
    with pytest.raises(ccxt.OrderNotFound):
        okx.fetch_order("1", SYMBOL)
