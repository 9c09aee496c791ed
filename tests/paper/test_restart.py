"""`kill -9` loses nothing that was acknowledged; a restart carries on from the same moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.Trade import TradeAPI

from paper.launch import ExchangeProcess, launch

BTC = "BTC-USDT-SWAP"


@contextmanager
def okx(server: ExchangeProcess) -> Iterator[tuple[Any, Any, Any]]:
    """python-okx's trade, account and market clients."""
    keys = server.account
    made = tuple(
        kind(
            api_key=keys["api_key"], api_secret_key=keys["secret_key"], passphrase=keys["passphrase"], flag="1",
            domain=server.rest_url,
        )
        for kind in (TradeAPI, AccountAPI, MarketAPI)
    )  # fmt: skip
    yield made[0], made[1], made[2]
    for client in made:
        client.close()


def picture(server: ExchangeProcess) -> dict[str, Any]:
    """Everything a client can ask about its account."""
    with okx(server) as (trade, account, market):
        return {
            "balance": account.get_account_balance()["data"],
            "positions": account.get_positions()["data"],
            "pending": trade.get_order_list()["data"],
            "history": trade.get_orders_history("SWAP")["data"],
            "algos": trade.order_algos_list(ordType="conditional,oco")["data"],
            "fills": trade.get_fills()["data"],
            "bills": account.get_account_bills()["data"],
            "leverage": account.get_leverage("isolated", instId=BTC)["data"],
            "ticker": market.get_ticker(BTC)["data"],
            "audit": server.get("/paper/audit"),
            "keys": server.account,
        }


def trade_a_little(server: ExchangeProcess) -> None:
    with okx(server) as (trade, account, market):
        account.set_leverage("5", "isolated", instId=BTC)
        last = float(market.get_ticker(BTC)["data"][0]["last"])
        trade.place_order(
            BTC, "isolated", "buy", "market", "1.5", clOrdId="kept1",
            attachAlgoOrds=[{"slTriggerPx": f"{last * 0.9:.1f}", "slOrdPx": "-1"}],
        )  # fmt: skip
        trade.place_order(BTC, "isolated", "buy", "limit", "1", px=f"{last * 0.96:.1f}", clOrdId="kept2")
        trade.place_order(BTC, "isolated", "buy", "market", "11000", clOrdId="refused1")


@pytest.mark.parametrize("speed", ["lockstep", "600"])
def test_kill_and_restart_keeps_account_and_market(tmp_path: Path, speed: str) -> None:
    server = launch(tmp_path / "x", ["--speed", speed, "--warmup-bars", "600"])
    try:
        if speed == "lockstep":
            server.advance(3)
        trade_a_little(server)
        if speed == "lockstep":
            server.advance(2)
        before, clock = picture(server), server.get("/paper/clock")
        server.kill()
        server.restart()
        after, clock_after = picture(server), server.get("/paper/clock")
        if speed == "lockstep":
            assert after == before
            assert clock_after["market_ms"] == clock["market_ms"]
        else:  # prices have moved on; what was traded has not
            for name in ("pending", "history", "fills", "bills", "leverage", "keys"):
                assert after[name] == before[name], name
            assert [a["algoId"] for a in after["algos"]] == [a["algoId"] for a in before["algos"]]
            assert abs(clock_after["market_ms"] - clock["market_ms"]) < 600_000
        with okx(server) as (trade, _, _):
            placed = trade.place_order(BTC, "isolated", "sell", "market", "0.5", reduceOnly="true")
        assert placed["code"] == "0"
        assert placed["data"][0]["ordId"] not in {row["ordId"] for row in before["history"]}
    finally:
        assert server.stop() == 0
    log = (tmp_path / "x" / "exchange.log").read_text().splitlines()
    assert '"shutdown_complete"' in log[-1]


def test_orderly_restart_keeps_the_same_picture(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "600"])
    try:
        trade_a_little(server)
        server.advance(5)
        before = picture(server)
        assert server.stop() == 0
        server.restart()
        assert picture(server) == before
    finally:
        server.stop()


def test_torn_last_record_is_dropped(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "600"])
    try:
        trade_a_little(server)
        before = picture(server)
        server.kill()
        with (tmp_path / "x" / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"q":99,"p":1,"c":"pla')
        server.restart()
        assert picture(server) == before
    finally:
        server.stop()


def test_market_that_began_now_keeps_to_the_clock_over_a_kill(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--start", "now", "--speed", "1", "--warmup-bars", "30"])

    def assert_in_time() -> None:
        clock = server.get("/paper/clock")
        assert abs(clock["market_ms"] - clock["wall_ms"]) < 100  # once for all times: it flows with the wall
        newest = int(server.get("/api/v5/market/candles", instId=BTC, bar="1m", limit=1)["data"][0][0])
        assert clock["wall_ms"] - newest < 120_000

    try:
        assert_in_time()
        with okx(server) as (trade, _, _):
            assert trade.place_order(BTC, "isolated", "buy", "market", "1")["code"] == "0"
        server.kill()
        server.restart()
        assert_in_time()
        with okx(server) as (_, account, _):
            assert [row["pos"] for row in account.get_positions()["data"]] == ["1"]
    finally:
        server.stop()
