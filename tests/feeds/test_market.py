"""The market feed on a real exchange, Redis and PostgreSQL."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.market_series import SeriesCache
from execution.context import ExecutionContext
from execution.reconcile import reconcile
from feeds.market import MarketFeed, build
from models import Alert, CandleRow, FundingRate
from models.session import SessionFactory
from paper.launch import ExchangeProcess
from settings import AnySettings, load_settings
from trading.candle import BAR_SECONDS
from trading.clock import from_ms, wall_now
from trading.orders import OrderRequest

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


@contextmanager
def following(file: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, until: Until
              ) -> Iterator[MarketFeed]:  # fmt: skip
    """A feed whose instruments are BTC's alone, as the `.env` in the owner's folder says."""
    file.write_text(f"INSTRUMENTS={BTC}\n")
    for name, value in {**variables, "OKXBOT_HOME": str(file.parent)}.items():
        monkeypatch.setenv(name, value)
    feed = build(load_settings())
    feed.start()
    try:
        until(lambda: feed.ready)
        yield feed
    finally:
        feed.stop()


def goes_on_alone(cache: SeriesCache, paper: ExchangeProcess, until: Until, inst_id: str, other: str) -> bool:
    """Another bar of `inst_id` arrives, and none of `other`."""
    closed = from_ms(paper.advance(1)["market_ms"]) - timedelta(minutes=5)
    until(lambda: cache.last_confirmed(inst_id, ("5m",))["5m"] == closed)
    held = cache.last_confirmed(other, ("5m",))["5m"]
    return held is not None and held < closed


def test_instruments_change_without_a_restart(
    environment: dict[str, str], cache: SeriesCache, paper: ExchangeProcess, until: Until, tmp_path: Path,
    ctx: ExecutionContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The owner edits `.env`; what the exchange does not list is refused in one line and changes nothing."""
    file = tmp_path / ".env"
    with following(file, environment, monkeypatch, until):
        assert cache.ages(ETH, wall_now()) == {}
        file.write_text(f"INSTRUMENTS={BTC},NONE-USDT-SWAP\n")
        until(lambda: "does not list NONE-USDT-SWAP" in capsys.readouterr().out)
        file.write_text(f"INSTRUMENTS={ETH}\n")
        until(lambda: len(cache.ages(ETH, wall_now())) >= 10 and len(cache.candles(ETH, "5m", 800)) >= 590)
        until(lambda: goes_on_alone(cache, paper, until, ETH, BTC))
    with ctx.sessions() as session:
        (told,) = session.scalars(select(Alert.message).where(Alert.kind == "instruments_changed"))
    assert told == (
        f"INSTRUMENTS changed. {ETH}: followed now, but not traded. {BTC}: no new entries, followed only until its"
        " position is closed. To trade the new list: okxbot down, then okxbot up"
    )


def test_an_instrument_that_leaves_the_list_is_followed_until_its_position_is_closed(
    environment: dict[str, str], cache: SeriesCache, paper: ExchangeProcess, until: Until, tmp_path: Path,
    ctx: ExecutionContext, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / ".env"
    with following(file, environment, monkeypatch, until):
        order = OrderRequest(BTC, "buy", "market", Decimal("0.4"), "held1", "isolated")
        ctx.exchange.place_order(order, wall_now() + timedelta(seconds=3))
        reconcile(ctx, "test")
        file.write_text(f"INSTRUMENTS={ETH}\n")
        until(lambda: len(cache.candles(ETH, "5m", 800)) >= 590)
        for _ in range(2):
            closed = from_ms(paper.advance(1)["market_ms"]) - timedelta(minutes=5)
            until(lambda closed=closed: cache.last_confirmed(BTC, ("5m",))["5m"] == closed)
        ctx.exchange.close_position(BTC, "isolated", "held1c")
        reconcile(ctx, "test")
        until(lambda: goes_on_alone(cache, paper, until, ETH, BTC))


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
