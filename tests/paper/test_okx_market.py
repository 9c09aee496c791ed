"""`--market okx`: a second exchange stands in for OKX, its prices are the market of the one under test."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paper.launch import ExchangeDied, ExchangeProcess, launch

BTC = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def okx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """Plays OKX; a minute of its market lasts a second."""
    server = launch(tmp_path_factory.mktemp("okx"), ["--speed", "60", "--warmup-bars", "600"])
    yield server
    server.stop()


@pytest.fixture
def follower(okx: ExchangeProcess, tmp_path: Path) -> Iterator[ExchangeProcess]:
    server = launch(tmp_path / "follower", follow(okx))
    yield server
    server.stop()


def follow(okx: ExchangeProcess) -> list[str]:
    return [
        "--market", "okx", "--okx-rest", okx.rest_url, "--okx-ws", okx.ws_url.removesuffix("/ws/v5"), "--speed", "1",
        "--warmup-bars", "300", "--instruments", f"{BTC},ETH-USDT-SWAP", "--switch", "rate_limits=off",
    ]  # fmt: skip


def data(server: ExchangeProcess, path: str, **query: Any) -> Any:
    answer = server.get(f"/api/v5/{path}", **query)
    assert answer["code"] == "0", answer
    return answer["data"]


def wait_for(condition: Any) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that within 20 s")


def test_prices_and_terms_are_those_of_okx(okx: ExchangeProcess, follower: ExchangeProcess) -> None:
    assert data(follower, "public/instruments", instType="SWAP", instId=BTC) == data(
        okx, "public/instruments", instType="SWAP", instId=BTC
    )
    seen = set()

    def moves() -> bool:
        seen.add(data(follower, "market/ticker", instId=BTC)[0]["last"])
        return len(seen) > 3

    wait_for(moves)
    theirs = {row["px"] for row in data(okx, "market/trades", instId=BTC, limit=500)}
    assert seen <= theirs


def test_candles_agree_with_okx_before_and_after_the_start(okx: ExchangeProcess, follower: ExchangeProcess) -> None:
    started = int(data(follower, "market/candles", instId=BTC, bar="1m", limit=1)[0][0])
    wait_for(lambda: int(data(follower, "market/candles", instId=BTC, bar="1m", limit=1)[0][0]) > started + 180_000)
    ours = [row for row in data(follower, "market/candles", instId=BTC, bar="1m", limit=300) if row[8] == "1"]
    theirs = {row[0]: row for row in data(okx, "market/candles", instId=BTC, bar="1m", limit=300)}
    compared = [(row[:5], theirs[row[0]][:5]) for row in ours if row[0] in theirs]
    assert len(compared) > 200
    assert all(mine == its for mine, its in compared)


def test_orders_fill_against_okx_prices_and_survive_a_kill(okx: ExchangeProcess, follower: ExchangeProcess) -> None:
    from okx.Account import AccountAPI
    from okx.Trade import TradeAPI

    keys = follower.account
    arguments = {
        "api_key": keys["api_key"], "api_secret_key": keys["secret_key"], "passphrase": keys["passphrase"],
        "flag": "1", "domain": follower.rest_url,
    }  # fmt: skip
    trade, account = TradeAPI(**arguments), AccountAPI(**arguments)
    assert trade.place_order(BTC, "isolated", "buy", "market", "1")["code"] == "0"
    fill = trade.get_fills()["data"][0]
    assert abs(Decimal(fill["fillPx"]) / Decimal(data(okx, "market/ticker", instId=BTC)[0]["last"]) - 1) < Decimal(
        "0.01"
    )
    time.sleep(1)
    before = account.get_account_balance()["data"][0]["details"][0]["cashBal"]
    follower.kill()
    follower.restart()
    assert account.get_positions(instType="SWAP")["data"][0]["pos"] == "1"
    assert account.get_account_balance()["data"][0]["details"][0]["cashBal"] == before
    trade.close()
    account.close()


def test_unreachable_okx_is_one_clear_line(tmp_path: Path) -> None:
    arguments = ["--market", "okx", "--speed", "1", "--okx-rest", "http://127.0.0.1:9", "--okx-ws", "ws://127.0.0.1:9"]
    with pytest.raises(ExchangeDied, match=r"exit 2: exchange: --market okx: http://127.0.0.1:9 cannot be read"):
        launch(tmp_path, arguments)


def test_other_speed_than_the_walls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeDied, match="with --market okx only 1 is possible"):
        launch(tmp_path, ["--market", "okx", "--speed", "60"])
