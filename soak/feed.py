"""A day of one-minute candles through the market feed, the exchange's faults running and the feed killed at random.

The paper exchange plays a candle file; the feed is a process of its own on real PostgreSQL and Redis. Every second or
two a fault of the menu is ordered, and the feed dies by `kill -9` at random moments and is started again. Afterwards
the stored bars must be the file's, bar for bar and to the last digit, and the longer bars their sums.
"""

import csv
import gzip
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models import CandleRow
from models.session import build_engine
from paper.launch import ExchangeProcess, launch
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres
from runtime.redis_server import EmbeddedRedis
from soak.process import CHECKOUT
from trading.candle import BAR_SECONDS, Candle
from trading.candle_consistency import difference
from trading.clock import from_ms

BTC = "BTC-USDT-SWAP"
SPEED = 240
WARM_UP, DAY = 300, 1440  # minutes; the exchange counts its history in bars of five
SHOWN = 20
SETTLES_WITHIN_S = 60.0
HISTORY_WITHIN_S = 60.0
PARTS = {"5m": "1m", "15m": "5m", "1H": "15m", "4H": "1H"}
CANDLES = "business/candle"
READS = "/api/v5/market/"
FAULTS: list[dict[str, object]] = [
    {"name": "push_lost", "path": CANDLES, "count": 3},
    {"name": "push_duplicate", "path": CANDLES, "count": 5},
    {"name": "push_late", "path": CANDLES, "count": 3, "seconds": 0.7},
    {"name": "push_out_of_order", "path": CANDLES, "count": 3},
    {"name": "candle_gap", "path": "business/candle1m", "count": 2},
    {"name": "candle_gap", "path": "business/candle5m", "count": 1},
    {"name": "candle_gap_history", "count": 2},
    {"name": "push_lost", "path": "public/books", "count": 2},
    {"name": "ws_ack_without_data", "path": CANDLES, "count": 2},
    {"name": "ws_drop"},
    {"name": "ws_reset", "path": "business"},
    {"name": "ws_notice", "seconds": 5},
    {"name": "50011", "path": READS, "count": 3},
    {"name": "50026", "path": READS, "count": 3},
    {"name": "http_502_html", "path": READS, "count": 3},
    {"name": "connection_reset", "path": READS, "count": 2},
    {"name": "reply_delayed", "path": READS, "count": 1, "seconds": 2},
]


@dataclass
class FeedDay:
    """What happened, and what is wrong with the series afterwards."""

    bars: int = 0
    kills: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def invented(path: Path, seed: int) -> Path:
    """A day of minutes like a market's, where no file is given."""
    dice, px = random.Random(seed), 60_000.0
    with path.open("w", newline="") as into:
        write = csv.writer(into)
        write.writerow(["ts", "open", "high", "low", "close", "vol_base"])
        for number in range(WARM_UP + DAY):
            close = px * (1 + dice.gauss(0, 0.0006))
            high, low = max(px, close) + dice.random() * 20, min(px, close) - dice.random() * 20
            stamp = 1_767_225_600_000 + number * 60_000
            write.writerow([stamp, *(f"{value:.1f}" for value in (px, high, low, close)), f"{dice.uniform(0, 50):.4f}"])
            px = float(f"{close:.1f}")
    return path


def day_of(path: Path, into: Path) -> Path:
    """The first day of a file and the history before it."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    into.write_text("\n".join(text.split("\n", WARM_UP + DAY + 1)[: WARM_UP + DAY + 1]) + "\n")
    return into


class _Stack:
    """Servers, the exchange, and the feed that is killed."""

    def __init__(self, folder: Path, market: Path, seed: int) -> None:
        self._open = ExitStack()
        self.folder = folder
        postgres = self._open.enter_context(EmbeddedPostgres(folder / "postgres"))
        redis = self._open.enter_context(EmbeddedRedis(folder / "redis"))
        upgrade_to_head(postgres.url)
        self.engine = build_engine(postgres.url)
        arguments = ["--market", f"{BTC}={market}", "--speed", str(SPEED), "--seed", str(seed), "--admin",
                     "--warmup-bars", str(WARM_UP // 5), "--decision-bar", "1m"]  # fmt: skip
        self.exchange: ExchangeProcess = launch(folder / "exchange", arguments)
        self.ready = folder / "ready"
        self._environment = {
            **os.environ, "OKXBOT_HOME": str(folder / "home"), "OKXBOT_READY_FILE": str(self.ready),
            "PAPER_SPEED": str(SPEED), "DECISION_BAR": "1m", "INSTRUMENTS": BTC, "ANALYST": "rules",
            "OKX_REST_URL": self.exchange.rest_url, "OKX_WS_URL": self.exchange.ws_url.removesuffix("/ws/v5"),
            "DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "CELERY_BROKER_URL": redis.broker_url,
        }  # fmt: skip
        self.feed: subprocess.Popen[bytes] | None = None

    def start_feed(self) -> None:
        self.ready.unlink(missing_ok=True)
        with (self.folder / "feed.log").open("ab") as log:
            self.feed = subprocess.Popen(
                [sys.executable, "-m", "feeds.market"], env=self._environment, cwd=CHECKOUT, stdout=log, stderr=log
            )

    def kill_feed(self) -> None:
        if self.feed is not None:
            self.feed.kill()
            self.feed.wait()
            self.feed = None

    def close(self) -> None:
        self.kill_feed()
        self.exchange.stop()
        self.engine.dispose()
        self._open.close()


def feed_day(folder: Path, file: Path | None, kills: int, seed: int) -> Iterator[FeedDay]:
    """Yields the report after each kill, and at last with the verdict."""
    dice, report = random.Random(seed), FeedDay()
    cut = folder / f"{BTC}.csv"
    market = invented(cut, seed) if file is None else day_of(file, cut)
    stack = _Stack(folder, market, seed)
    try:
        stack.start_feed()
        _wait_for_history(stack)
        # The day has begun meanwhile: it ends when the market's clock says so.
        seconds = (DAY - 60) * 60 / SPEED
        moments = sorted(dice.uniform(2, seconds - 2) for _ in range(kills))
        began, next_fault = monotonic(), 1.0
        while (passed := monotonic() - began) < seconds + 2:
            if moments and passed >= moments[0]:
                moments.pop(0)
                stack.kill_feed()
                sleep(dice.uniform(0, 0.5))
                stack.start_feed()
                report.kills += 1
                yield report
            if passed >= next_fault:
                next_fault = passed + dice.uniform(0.5, 2.0)
                _order(stack.exchange, dice.choice(FAULTS), report)
            sleep(0.05)
        stack.exchange.clear_faults()
        while not stack.exchange.get("/paper/clock").get("ended"):
            sleep(0.5)
        _judge(stack, market, report)
        yield report
    finally:
        stack.close()


def _wait_for_history(stack: _Stack) -> None:
    """A feed that has never stored anything looks back 800 bars only; the proof is of what comes after."""
    given_up = monotonic() + HISTORY_WITHIN_S
    while monotonic() < given_up:
        with Session(stack.engine) as session:
            if (session.scalar(select(func.count()).select_from(CandleRow)) or 0) >= WARM_UP * 5 // 4:
                return
        sleep(0.2)


def _order(exchange: ExchangeProcess, fault: dict[str, object], report: FeedDay) -> None:
    try:
        exchange.post("/paper/faults", fault)
    except httpx.HTTPError as error:
        report.failed.append(f"{fault['name']} could not be ordered: {type(error).__name__}")
        return
    report.faults[str(fault["name"])] = report.faults.get(str(fault["name"]), 0) + 1


def _judge(stack: _Stack, market: Path, report: FeedDay) -> None:
    """Wait until the series are the file's; what is still wrong in the end is a failure."""
    wanted = _file_bars(market)
    report.bars = len(wanted)
    given_up = monotonic() + SETTLES_WITHIN_S
    wrong = _wrong(stack, wanted, report)
    while wrong and monotonic() < given_up:
        sleep(1)
        wrong = _wrong(stack, wanted, report)
    report.failed += wrong


def _file_bars(market: Path) -> dict[int, tuple[Decimal, ...]]:
    with market.open() as lines:
        rows = list(csv.reader(lines))[1:]
    return {int(row[0]): tuple(Decimal(value) for value in row[1:6]) for row in rows}


def _wrong(stack: _Stack, wanted: dict[int, tuple[Decimal, ...]], report: FeedDay) -> list[str]:
    with Session(stack.engine) as session:
        held = {
            bar: list(session.scalars(select(CandleRow).where(CandleRow.bar == bar).order_by(CandleRow.ts)))
            for bar in ("1m", *PARTS)
        }
    report.stored = {bar: len(rows) for bar, rows in held.items()}
    minutes = {int(row.ts.timestamp() * 1000): (row.open, row.high, row.low, row.close, row.vol_coins)
               for row in held["1m"]}  # fmt: skip
    wrong = [f"1m {from_ms(ts):%d %H:%M} is missing" for ts in wanted if ts not in minutes]
    wrong += [f"1m {from_ms(ts):%d %H:%M} is not in the file" for ts in minutes if ts not in wanted]
    wrong += [
        f"1m {from_ms(ts):%d %H:%M} is {minutes[ts]}, in the file {bar}"
        for ts, bar in wanted.items()
        if ts in minutes and minutes[ts] != bar
    ]
    for bar, shorter in PARTS.items():
        step = timedelta(seconds=BAR_SECONDS[shorter])
        parts = {row.ts: _candle(row) for row in held[shorter]}
        for row in held[bar]:
            opens = [row.ts + step * number for number in range(BAR_SECONDS[bar] // BAR_SECONDS[shorter])]
            if not all(at in parts for at in opens):
                continue  # begins before the file does
            found = difference(_candle(row), [parts[at] for at in opens])
            if found:
                wrong.append(f"{bar} {row.ts:%d %H:%M} contradicts its {shorter} bars: {found}")
    return wrong if len(wrong) <= SHOWN else [*wrong[:SHOWN], f"and {len(wrong) - SHOWN} more"]


def _candle(row: CandleRow) -> Candle:
    return Candle(row.inst_id, row.bar, row.ts, row.open, row.high, row.low, row.close, row.vol_contracts,
                  row.vol_coins, row.vol_quote, True)  # fmt: skip
