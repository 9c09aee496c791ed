"""The same seed and the same script give the same trades, served or in process."""

from pathlib import Path
from typing import Any

from paper.exchange import Exchange
from paper.launch import launch
from paper.options import PaperOptions

BTC, SOL = "BTC-USDT-SWAP", "SOL-USDT-SWAP"


def script(seed: int) -> list[Any]:
    """A day of entries with stops, by the clock; returns fills without wall time."""
    exchange = Exchange(PaperOptions(speed="lockstep", seed=seed, warmup_bars=300))
    for hour in range(24):
        quote = exchange.engine.state.quotes[BTC]
        if not any(exchange.engine.account(exchange.uid).open_positions()):
            stop = (quote.bid * 99 / 100).quantize(exchange.market.instruments[BTC].tick)
            exchange.command(
                exchange.uid,
                "place",
                {"instId": BTC, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": str(1 + hour),
                 "attachAlgoOrds": [{"slTriggerPx": str(stop), "slOrdPx": "-1"}]},
            )  # fmt: skip
        exchange.advance(12)
    account = exchange.engine.account(exchange.uid)
    assert account.totals.wallet == account.cash + account.isolated_margin
    return [account.fills, account.bills, account.cash]


def test_same_seed_same_trades() -> None:
    assert script(3) == script(3)


def test_another_seed_is_another_market() -> None:
    assert script(3) != script(4)


def test_skipping_idle_steps_changes_no_price() -> None:
    """An idle instrument is quoted at bar closes only; its candles and the next bar's path do not depend on it."""
    idle = Exchange(PaperOptions(speed="lockstep", warmup_bars=300))
    busy = Exchange(PaperOptions(speed="lockstep", warmup_bars=300))
    busy.command(
        busy.uid, "place", {"instId": SOL, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
    )
    idle.advance(50)
    busy.advance(50)
    assert idle.engine.state.quotes == busy.engine.state.quotes


def test_market_time_stands_at_the_close_until_told(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "300", "--instruments", BTC])
    try:
        before = server.get("/paper/clock")
        assert before["speed"] == "lockstep"
        assert before["market_ms"] % 300_000 == 0
        after = server.advance(7)
        assert after["market_ms"] == before["market_ms"] + 7 * 300_000
        assert server.get("/paper/clock")["market_ms"] == after["market_ms"]
        closes = [e for e in server.get("/paper/ledger", kind="bar_close")["entries"] if e["instId"] == BTC]
        assert [e["ts"] for e in closes] == [before["market_ms"] + n * 300_000 for n in range(7)]
    finally:
        server.stop()


def test_scaled_clock_can_be_computed_by_clients(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "60", "--warmup-bars", "300", "--instruments", BTC])
    try:
        clock = server.get("/paper/clock")
        assert clock["market_ms"] == clock["anchor_market_ms"] + (clock["wall_ms"] - clock["anchor_wall_ms"]) * 60
        assert server.post("/paper/advance", {"bars": 1})["error"] == "advance needs --speed lockstep"
        ticker = server.get("/api/v5/market/ticker", instId=BTC)["data"][0]
        behind = server.get("/paper/clock")["market_ms"] - int(ticker["ts"])
        assert 0 <= behind < 60_000, "prices follow the clock step by step"
    finally:
        server.stop()
