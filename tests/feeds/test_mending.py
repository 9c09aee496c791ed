"""Whatever goes wrong on the way, the series in Redis and PostgreSQL are the exchange's, bar for bar."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from time import sleep

import httpx
import pytest
from sqlalchemy import delete, select

from exchange.client import OkxExchange
from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from exchange.redis_client import build_redis
from exchange.websocket import Push
from feeds.candle_store import CandleStore
from feeds.market import MarketFeed, build
from models import CandleRow
from models.session import SessionFactory
from paper.launch import ExchangeProcess
from settings import AnySettings
from trading.candle import BAR_SECONDS, Candle
from trading.clock import from_ms, to_ms, wall_now

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
BARS = ("5m", "15m", "1H", "4H")
Until = Callable[..., None]
Stored = dict[datetime, tuple[Decimal, ...]]


def figures(row: Candle | CandleRow) -> tuple[Decimal, ...]:
    return (row.open, row.high, row.low, row.close, row.vol_contracts, row.vol_coins, row.vol_quote)


def stored(sessions: SessionFactory, inst_id: str, bar: str) -> Stored:
    with sessions() as session:
        rows = session.scalars(select(CandleRow).where(CandleRow.inst_id == inst_id, CandleRow.bar == bar))
        return {row.ts: figures(row) for row in rows}


def of_exchange(exchange: OkxExchange, inst_id: str, bar: str, bars: int = 100) -> Stored:
    return {c.ts: figures(c) for c in exchange.candles(inst_id, bar, bars) if c.confirmed}


@pytest.fixture
def exchange(settings: AnySettings) -> Iterator[OkxExchange]:
    exchange = OkxExchange.from_settings(settings, public_only=True)
    yield exchange
    exchange.close()


def same(sessions: SessionFactory, cache: MarketCache, exchange: OkxExchange, inst_id: str, bar: str) -> bool:
    """Redis and PostgreSQL hold exactly the exchange's last hundred bars."""
    right = of_exchange(exchange, inst_id, bar)
    held = {candle.ts: figures(candle) for candle in cache.candles(inst_id, bar, len(right))}
    kept = stored(sessions, inst_id, bar)
    return held == right and {ts: kept.get(ts) for ts in right} == right


FAULTS = [
    [{"name": "candle_gap", "path": "business/candle5m", "count": 1}],
    [{"name": "push_lost", "path": "business/candle15m", "count": 2}],
    [{"name": "push_duplicate", "path": "business", "count": 6}],
    [{"name": "push_out_of_order", "path": "business/candle5m", "count": 3}],
    [{"name": "push_late", "path": "business/candle5m", "count": 2, "seconds": 0.4}],
    [{"name": "ws_reset", "path": "business"}, {"name": "candle_gap_history", "count": 3}],
    [{"name": "ws_notice"}],
]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "+".join(str(fault["name"]) for fault in faults))
def test_no_fault_of_the_exchange_changes_the_series(
    feed: MarketFeed, cache: MarketCache, sessions: SessionFactory, exchange: OkxExchange, paper: ExchangeProcess,
    until: Until, faults: list[dict[str, object]],
) -> None:  # fmt: skip
    for fault in faults:
        paper.post("/paper/faults", fault)
    for _ in range(4):
        paper.advance(1)
    until(lambda: all(same(sessions, cache, exchange, BTC, bar) for bar in BARS), 20)
    assert feed.healthy()


LIES = [
    {1: "0", 2: "0", 3: "0", 4: "0"},
    {2: "1"},
    {3: "1" + "0" * 19},
    {5: "-4"},
]
"""Columns of OKX's row (ts, open, high, low, close, volume, …) and what they say instead."""


@pytest.mark.parametrize("lie", LIES, ids=["zero", "high under open", "low over all", "volume"])
def test_a_pushed_bar_that_cannot_be_is_not_taken_and_the_right_one_is(
    feed: MarketFeed, cache: MarketCache, sessions: SessionFactory, exchange: OkxExchange, paper: ExchangeProcess,
    until: Until, capsys: pytest.CaptureFixture[str], lie: dict[int, str],
) -> None:  # fmt: skip
    last = cache.candles(BTC, "5m", 1)[0]
    following = to_ms(last.closes_at)
    row = [str(following), *(str(figure) for figure in figures(last)), "1"]
    wrong = [lie.get(column, value) for column, value in enumerate(row)]
    arg = {"channel": "candle5m", "instId": BTC}
    for forming in ("0", "1"):
        feed._intake.push(Push("candle5m", arg, [[*wrong[:-1], forming]], "", "", following))
    assert cache.last_confirmed(BTC, ("5m",)) == {"5m": last.ts}
    held = cache.forming(BTC, "5m")
    assert held is None or figures(held)[:4] != tuple(Decimal(value) for value in wrong[1:5])
    assert capsys.readouterr().out.count("candle_impossible") == 2
    paper.advance(1)
    until(lambda: same(sessions, cache, exchange, BTC, "5m"))


def test_a_bar_of_history_that_cannot_be_is_asked_for_again(
    settings: AnySettings, paper: ExchangeProcess, cache: MarketCache, sessions: SessionFactory, until: Until,
    exchange: OkxExchange, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    newest = next(candle for candle in exchange.candles(BTC, "5m", 3) if candle.confirmed)
    wrong, lies = newest.ts - timedelta(minutes=50), 3

    class Liar(BaseHTTPRequestHandler):
        """The exchange, but that one bar has a high of nothing the first times it is told."""

        def do_GET(self) -> None:
            nonlocal lies
            answer = httpx.get(paper.rest_url + self.path)
            body = answer.json()
            for row in body["data"] if "candles" in self.path else []:
                if row[0] == str(to_ms(wrong)) and f"instId={BTC}&" in self.path + "&" and lies:
                    row[2], lies = "0", lies - 1
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    feed = build(settings.model_copy(update={"okx_rest_url": f"http://127.0.0.1:{server.server_port}"}))
    feed.start()
    try:
        until(lambda: feed.ready and all(same(sessions, cache, exchange, BTC, bar) for bar in BARS), 20)
        assert lies == 0
        assert capsys.readouterr().out.count("candle_impossible") == 3
    finally:
        feed.stop()
        server.shutdown()
        server.server_close()


def test_a_bar_that_differs_is_resolved_by_the_exchanges_history(
    feed: MarketFeed, cache: MarketCache, sessions: SessionFactory, exchange: OkxExchange, redis_url: str,
    until: Until, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    until(lambda: same(sessions, cache, exchange, BTC, "15m"))
    right = cache.candles(BTC, "15m", 5)[2]
    wrong = replace(right, close=right.close + 1, high=right.high + 1)
    with build_redis(redis_url) as client:
        MarketWriter(client).merge(BTC, "15m", [wrong])
    with sessions.begin() as session:
        session.get_one(CandleRow, (BTC, "15m", right.ts)).close = wrong.close
    assert not same(sessions, cache, exchange, BTC, "15m")
    feed._mender.check(right)  # as after the close of the bar: it contradicts its 5m bars
    until(lambda: same(sessions, cache, exchange, BTC, "15m"), 15)
    said = capsys.readouterr().out
    assert "candles_contradict" in said
    assert "candle_break" in said


def test_silent_channels_are_mended(
    environment: dict[str, str], feed: MarketFeed, cache: MarketCache, exchange: OkxExchange, sessions: SessionFactory,
    paper: ExchangeProcess, until: Until, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Every 5m subscription is acknowledged after a drop, but nothing is ever pushed on it."""
    monkeypatch.setattr("feeds.channel_watch.FIRST_WORD_S", 0.5)
    monkeypatch.setattr("feeds.channel_watch.LATE_S", 0.5)
    paper.post("/paper/faults", {"name": "ws_ack_without_data", "path": "business/candle5m", "count": 3})
    paper.post("/paper/faults", {"name": "ws_drop", "path": "business"})
    slot = from_ms(paper.advance(2)["market_ms"])
    until(lambda: cache.last_confirmed(BTC, ("5m",))["5m"] == slot - timedelta(minutes=5), 15)
    # The channels speak again: the next bar comes by itself.
    until(lambda: not feed._watch.silent(0) and all(cache.ages(i, wall_now())["candle5m"] < 3 for i in (BTC, ETH)), 15)
    until(lambda: same(sessions, cache, exchange, ETH, "5m"), 15)


def test_a_lost_book_message_is_noticed_and_the_book_is_begun_anew(
    feed: MarketFeed, cache: MarketCache, paper: ExchangeProcess, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    paper.post("/paper/faults", {"name": "push_lost", "path": "public/books", "count": 1})
    slot = from_ms(paper.advance(2)["market_ms"])
    until(lambda: "book_broken" in capsys.readouterr().out)
    for _ in range(3):
        slot = from_ms(paper.advance(1)["market_ms"])
    until(lambda: all(cache.spoken_at(inst_id)["book"] == slot for inst_id in (BTC, ETH)), 15)
    book = cache.present(BTC)
    assert len(book.bids) == len(book.asks) == 5


def test_what_was_missed_while_away_is_found_even_when_it_lies_further_back(
    settings: AnySettings, sessions: SessionFactory, exchange: OkxExchange, feed: MarketFeed, cache: MarketCache,
    until: Until,
) -> None:  # fmt: skip
    until(lambda: len(stored(sessions, BTC, "5m")) >= 590)
    held = sorted(stored(sessions, BTC, "5m"))
    feed.stop()
    with sessions.begin() as session:
        session.execute(delete(CandleRow).where(CandleRow.bar == "5m", CandleRow.ts.in_(held[200:203])))
    again = build(settings)
    again.start()
    try:
        until(lambda: sorted(stored(sessions, BTC, "5m"))[: len(held)] == held, 15)
    finally:
        again.stop()


def test_killing_the_feed_at_random_loses_no_bar(
    settings: AnySettings, environment: dict[str, str], sessions: SessionFactory, exchange: OkxExchange,
    cache: MarketCache, paper: ExchangeProcess, until: Until, tmp_path: Path,
) -> None:  # fmt: skip
    """`kill -9` three times in mid-flight, the market going on meanwhile (`make soak` kills fifty)."""
    dice = random.Random(4)
    ready = tmp_path / "ready"
    variables = {**os.environ, **environment, "OKXBOT_READY_FILE": str(ready), "OKXBOT_HOME": str(tmp_path)}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "feeds.market"], env=variables, stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        until(ready.exists, 30)
        for _ in range(dice.randint(1, 6)):
            paper.advance(1)
            sleep(dice.random() / 5)
        process.kill()
        process.wait()
        ready.unlink()
        paper.advance(dice.randint(1, 4))
    feed = build(settings)
    feed.start()
    try:
        until(lambda: feed.ready and all(same(sessions, cache, exchange, BTC, bar) for bar in BARS), 20)
    finally:
        feed.stop()
    for bar in BARS:
        opens = sorted(stored(sessions, BTC, bar))
        assert {later - earlier for earlier, later in pairwise(opens)} == {timedelta(seconds=BAR_SECONDS[bar])}


def test_history_replaces_what_was_pushed_and_says_so(
    sessions: SessionFactory, exchange: OkxExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = [candle for candle in exchange.candles(BTC, "5m", 5) if candle.confirmed]
    store = CandleStore(sessions)
    store.start()
    store.put([replace(bars[0], close=bars[0].close + 1), bars[1]])
    store.put(bars, history=True)
    store.put([replace(bars[1], close=bars[1].close + 1)])
    store.stop()
    assert stored(sessions, BTC, "5m") == {bar.ts: figures(bar) for bar in bars}
    assert capsys.readouterr().out.count("candle_break") == 1


def test_old_candles_are_removed_and_no_newer_ones(
    sessions: SessionFactory, exchange: OkxExchange, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("feeds.candle_store.SWEEP_S", 0.0)
    bar = exchange.candles(BTC, "4H", 5)[-1]
    old = [replace(bar, ts=bar.ts - timedelta(days=days), confirmed=True) for days in range(40)]
    store = CandleStore(sessions, keep_days=10)
    store.start()
    store.put(old)
    until(lambda: len(stored(sessions, BTC, "4H")) == 11)
    store.stop()
    assert min(stored(sessions, BTC, "4H")) == bar.ts - timedelta(days=10)
