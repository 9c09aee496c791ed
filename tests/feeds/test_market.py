"""The market feed on a real exchange, Redis and PostgreSQL."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.market_series import SeriesCache
from feeds.market import MarketFeed, build
from models import CandleRow, FundingRate
from models.session import SessionFactory
from paper.launch import ExchangeProcess
from settings import AnySettings, load_settings
from trading.candle import BAR_SECONDS
from trading.clock import from_ms, wall_now

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
Until = Callable[..., None]
Queued = Callable[[str], list[tuple[str, list[Any]]]]


def test_history_is_in_redis_and_postgresql(feed: MarketFeed, cache: SeriesCache, sessions: SessionFactory,
                                            settings: AnySettings, until: Until) -> None:  # fmt: skip
    held = cache.candles(BTC, "5m", 800)
    assert len(held) >= 590
    steps = {later.ts - earlier.ts for earlier, later in pairwise(held)}
    assert steps == {timedelta(minutes=5)}

    def stored() -> int:
        with sessions() as session:
            wanted = (CandleRow.inst_id == BTC, CandleRow.bar == "5m")
            return session.scalar(select(func.count()).select_from(CandleRow).where(*wanted)) or 0

    def funding_rates() -> int:
        with sessions() as session:
            return session.scalar(select(func.count()).select_from(FundingRate)) or 0

    until(lambda: stored() == len(held) and funding_rates() == len(settings.instruments))
    with sessions() as session:
        row = session.get_one(CandleRow, (BTC, "5m", held[-1].ts))
        assert (row.open, row.close, row.vol_coins) == (held[-1].open, held[-1].close, held[-1].vol_coins)


def test_every_channel_has_spoken(feed: MarketFeed, cache: SeriesCache) -> None:
    ages, present = cache.ages(BTC, wall_now()), cache.present(BTC)
    assert {"ticker", "candle", "book", "funding", "open_interest", "mark"} <= set(ages)
    assert all(0 <= age < 30 for age in ages.values())
    assert present.bid is not None
    assert present.ask is not None
    assert present.bid < present.ask
    assert present.mark is not None
    assert present.next_funding_at is not None


def test_confirmed_candles_reach_redis_with_every_longer_bar(
    feed: MarketFeed, cache: SeriesCache, paper: ExchangeProcess, until: Until
) -> None:
    slot = from_ms(paper.advance(12)["market_ms"])
    for bar in ("5m", "15m", "1H"):
        seconds = BAR_SECONDS[bar]
        closed = from_ms((int(slot.timestamp()) // seconds * seconds - seconds) * 1000)
        until(lambda bar=bar, closed=closed: cache.last_confirmed(BTC, (bar,))[bar] == closed)


def test_closed_slot_opens_one_cycle_per_instrument(
    opening_feed: MarketFeed, paper: ExchangeProcess, queued: Queued, settings: AnySettings, until: Until
) -> None:
    slot = from_ms(paper.advance(1)["market_ms"]).isoformat()
    expected = sorted(("cycle.open", [inst_id, slot]) for inst_id in settings.instruments)
    until(lambda: sorted(message for message in queued("cycle") if message[1][1] == slot) == expected)


def test_in_lockstep_the_feed_opens_no_cycle(
    feed: MarketFeed, cache: SeriesCache, paper: ExchangeProcess, queued: Queued, until: Until
) -> None:
    slot = from_ms(paper.advance(1)["market_ms"])
    until(lambda: cache.last_confirmed(BTC, ("5m",))["5m"] == slot - timedelta(minutes=5))
    assert queued("cycle") == []


def test_bars_missed_while_disconnected_are_filled_in(
    feed: MarketFeed, cache: SeriesCache, paper: ExchangeProcess, until: Until
) -> None:
    paper.post("/paper/faults", {"name": "ws_drop"})
    slot = from_ms(paper.advance(4)["market_ms"])
    until(lambda: cache.last_confirmed(BTC, ("5m",))["5m"] == slot - timedelta(minutes=5))

    def unbroken() -> bool:
        last = cache.series(BTC, {"5m": 10})["5m"]
        return set(last.ts[1:] - last.ts[:-1]) == {300_000}

    until(unbroken)


def test_instruments_change_without_a_restart(
    environment: dict[str, str], cache: SeriesCache, paper: ExchangeProcess, until: Until, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The owner edits `.env`; what the exchange does not list is refused in one line and changes nothing."""
    file = tmp_path / ".env"
    file.write_text(f"INSTRUMENTS={BTC}\n")
    variables = {**environment, "OKXBOT_HOME": str(tmp_path)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    feed = build(load_settings())
    feed.start()
    try:
        until(lambda: feed.ready)
        assert cache.ages(ETH, wall_now()) == {}
        file.write_text(f"INSTRUMENTS={BTC},NONE-USDT-SWAP\n")
        until(lambda: "does not list NONE-USDT-SWAP" in capsys.readouterr().out)
        file.write_text(f"INSTRUMENTS={ETH}\n")
        until(lambda: len(cache.ages(ETH, wall_now())) >= 10 and len(cache.candles(ETH, "5m", 800)) >= 590)

        def only_the_new_one_goes_on() -> bool:
            closed = from_ms(paper.advance(1)["market_ms"]) - timedelta(minutes=5)
            until(lambda: cache.last_confirmed(ETH, ("5m",))["5m"] == closed)
            held = cache.last_confirmed(BTC, ("5m",))["5m"]
            return held is not None and held < closed

        until(only_the_new_one_goes_on)
    finally:
        feed.stop()


def test_process_announces_itself_and_ends_cleanly(environment: dict[str, str], tmp_path: Path, until: Until) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-m", "feeds.market"],
        env={**os.environ, **environment, "OKXBOT_READY_FILE": str(ready), "OKXBOT_HOME": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    try:
        until(ready.exists, 30)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=15)
    finally:
        process.kill()
    lines = output.strip().splitlines()
    assert process.returncode == 0
    assert any('"indicator_server_started"' in line for line in lines)
    assert '"shutdown_complete"' in lines[-1]
