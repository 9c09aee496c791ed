"""python-okx, unchanged, lives a whole trade on the exchange."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"


def tick(price: Decimal, factor: str) -> str:
    return str((price * Decimal(factor)).quantize(Decimal("0.1")))


def ask(clients: dict[str, Any]) -> Decimal:
    return Decimal(clients["market"].get_ticker(BTC)["data"][0]["askPx"])


def enter(clients: dict[str, Any], cl_ord_id: str, sz: str = "2", stop: str = "0.99") -> dict[str, str]:
    price = ask(clients)
    reply = clients["trade"].place_order(
        BTC, "isolated", "buy", "fok", sz, px=tick(price, "1.001"), clOrdId=cl_ord_id,
        attachAlgoOrds=[{"slTriggerPx": tick(price, stop), "slOrdPx": "-1",
                         "tpTriggerPx": tick(price, "1.05"), "tpOrdPx": "-1"}],
    )  # fmt: skip
    assert reply["code"] == "0", reply
    return reply["data"][0]


def test_public_data_is_all_there(clients: dict[str, Any]) -> None:
    public, market = clients["public"], clients["market"]
    listed = public.get_instruments("SWAP")["data"]
    assert [row["instId"] for row in listed] == [BTC, "ETH-USDT-SWAP", "SOL-USDT-SWAP"]
    assert (listed[0]["ctVal"], listed[0]["tickSz"], listed[0]["lotSz"]) == ("0.01", "0.1", "0.01")
    for reply in (
        public.get_system_time(), public.get_mark_price("SWAP"), public.get_funding_rate(BTC),
        public.funding_rate_history(BTC), public.get_open_interest("SWAP"), public.get_price_limit(BTC),
        public.get_position_tiers("SWAP", "isolated", instFamily="BTC-USDT"), market.get_tickers("SWAP"),
        market.get_index_tickers(instId="BTC-USDT"), market.get_orderbook(BTC, "20"), market.get_trades(BTC),
        market.get_mark_price_candlesticks(BTC, bar="5m"), market.get_history_candlesticks(BTC, bar="1H"),
    ):  # fmt: skip
        assert reply["code"] == "0"
        assert reply["data"]


def test_candles_page_backwards_without_gap_or_overlap(clients: dict[str, Any]) -> None:
    market = clients["market"]
    newest = market.get_candlesticks(BTC, bar="5m", limit="50")["data"]
    older = market.get_history_candlesticks(BTC, bar="5m", limit="50", after=newest[-1][0])["data"]
    stamps = [int(row[0]) for row in newest + older]
    assert len(stamps) == 100
    assert {a - b for a, b in pairwise(stamps)} == {300_000}
    again = market.get_candlesticks(BTC, bar="5m", before=newest[3][0], limit="10")["data"]
    assert again == newest[:3]


def test_entry_is_born_with_its_stop_and_target(clients: dict[str, Any]) -> None:
    placed = enter(clients, "born1")
    order = clients["trade"].get_order(BTC, clOrdId="born1")["data"][0]
    assert (order["state"], order["accFillSz"], order["ordId"]) == ("filled", "2", placed["ordId"])
    (stop,) = clients["trade"].order_algos_list(ordType="oco")["data"]
    assert (stop["state"], stop["sz"], stop["side"]) == ("live", "2", "sell")
    position = clients["account"].get_positions(instType="SWAP")["data"][0]
    assert (position["pos"], position["mgnMode"], position["posSide"]) == ("2", "isolated", "net")


def test_life_of_a_trade_adds_up(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    account, trade = clients["account"], clients["trade"]
    before = Decimal(account.get_account_balance()["data"][0]["totalEq"])
    enter(clients, "life1")
    assert trade.close_positions(BTC, "isolated")["data"] == [
        {"instId": BTC, "posSide": "net", "clOrdId": "", "tag": ""}
    ]
    entry = exchange_server.get("/paper/ledger", kind="request")["entries"][-1]
    assert entry["path"] == "/api/v5/trade/close-position"
    assert entry["results"][0]["ordId"] == trade.get_fills()["data"][0]["ordId"]
    assert trade.order_algos_list(ordType="oco")["data"] == []
    after = Decimal(account.get_account_balance()["data"][0]["totalEq"])
    closed = account.get_positions_history(instType="SWAP")["data"][0]
    fills = trade.get_fills(instType="SWAP")["data"][:2]
    assert after - before == Decimal(closed["realizedPnl"])
    assert after - before == sum(Decimal(f["fillPnl"]) + Decimal(f["fee"]) for f in fills)
    bills = account.get_account_bills(type="2")["data"][:2]
    assert after - before == sum(Decimal(b["balChg"]) + Decimal(b["posBalChg"]) for b in bills)


def test_whole_position_stop_is_placed_amended_and_cancelled(clients: dict[str, Any]) -> None:
    enter(clients, "algo1")
    trade, price = clients["trade"], ask(clients)
    placed = trade.place_algo_order(
        BTC, "isolated", "sell", "conditional", closeFraction="1", reduceOnly="true",
        slTriggerPx=tick(price, "0.98"), slOrdPx="-1", algoClOrdId="stop1",
    )["data"][0]  # fmt: skip
    assert placed["sCode"] == "0"
    assert trade.amend_algo_order(BTC, algoClOrdId="stop1", newSlTriggerPx=tick(price, "0.985"))["code"] == "0"
    found = trade.get_algo_order_details(algoClOrdId="stop1")["data"][0]
    assert (found["slTriggerPx"], found["closeFraction"], found["reduceOnly"]) == (tick(price, "0.985"), "1", "true")
    cancelled = trade.cancel_algo_order([{"instId": BTC, "algoId": placed["algoId"]}])
    assert cancelled["data"][0]["sCode"] == "0"
    history = trade.order_algos_history("conditional", state="canceled")["data"]
    assert placed["algoId"] in [row["algoId"] for row in history]


def test_resting_order_is_listed_amended_and_cancelled(clients: dict[str, Any]) -> None:
    trade, price = clients["trade"], ask(clients)
    placed = trade.place_order(BTC, "isolated", "buy", "limit", "1", px=tick(price, "0.97"), clOrdId="rest1")
    assert placed["code"] == "0"
    (row,) = trade.get_order_list(instType="SWAP")["data"]
    assert (row["clOrdId"], row["state"], row["avgPx"], row["fillSz"]) == ("rest1", "live", "", "0")
    assert trade.amend_order(BTC, clOrdId="rest1", newPx=tick(price, "0.96"))["code"] == "0"
    assert trade.get_order(BTC, clOrdId="rest1")["data"][0]["px"] == tick(price, "0.96")
    assert trade.cancel_order(BTC, clOrdId="rest1")["code"] == "0"
    assert trade.get_order(BTC, clOrdId="rest1")["data"][0]["state"] == "canceled"
    again = trade.cancel_order(BTC, clOrdId="rest1")
    assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")


def test_refused_order_has_the_real_envelope(clients: dict[str, Any]) -> None:
    reply = clients["trade"].place_order(BTC, "isolated", "buy", "market", "11000", clOrdId="big1")
    assert (reply["code"], reply["msg"]) == ("1", "All operations failed")
    assert reply["data"][0]["sCode"] == "51008"
    assert reply["data"][0]["sMsg"] == "Order failed. Insufficient USDT margin in account "
    assert reply["data"][0]["ordId"] == ""
    assert clients["trade"].get_order(BTC, clOrdId="big1")["code"] == "51603"


def test_batch_answers_per_order(clients: dict[str, Any]) -> None:
    orders = [
        {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": sz, "clOrdId": f"b{n}"}
        for n, sz in enumerate(("0.5", "0.005"))
    ]
    reply = clients["trade"].place_multiple_orders(orders)
    assert reply["code"] == "2"
    assert [row["sCode"] for row in reply["data"]] == ["0", "51020"]


@pytest.mark.parametrize(
    "change, code",
    [
        ({"api_key": "nobody"}, "50111"),
        ({"api_secret_key": "wrong"}, "50113"),
        ({"passphrase": "wrong"}, "50105"),
    ],
)
def test_wrong_credentials_are_refused(exchange_server: ExchangeProcess, change: dict[str, str], code: str) -> None:
    from okx.Account import AccountAPI

    keys = exchange_server.account
    arguments = {
        "api_key": keys["api_key"], "api_secret_key": keys["secret_key"], "passphrase": keys["passphrase"],
        "flag": "1", "domain": exchange_server.rest_url, **change,
    }  # fmt: skip
    client = AccountAPI(**arguments)
    assert client.get_account_balance()["code"] == code
    client.close()


def test_account_file_is_private(exchange_server: ExchangeProcess) -> None:
    assert (exchange_server.data / "account.json").stat().st_mode & 0o777 == 0o600


def test_stop_fires_inside_a_bar_as_time_advances(exchange_server: ExchangeProcess, clients: dict[str, Any]) -> None:
    enter(clients, "fire1", stop="0.998")
    for _ in range(400):
        exchange_server.advance()
        if not clients["account"].get_positions(instType="SWAP")["data"]:
            break
    history = clients["trade"].order_algos_history("oco", state="effective")["data"]
    assert history[0]["clOrdId"] == "fire1"
    assert history[0]["ordIdList"]
    audit = exchange_server.get("/paper/audit")["accounts"][exchange_server.account["uid"]]
    assert audit["identity_holds"]
    assert audit["uncovered_bars"] == 0
