"""The whole bot, started as `make run` starts it, in a home of its own: latency, memory, time to the first decision.

From the close of the deciding candle at the exchange, by its own wall clock: `close-to-decision` to the moment the
decision is made, for every cycle; `close-to-intent` to the moment the order's intent is committed and its message sent;
`close-to-order` to the order's arrival at the exchange. Orders are all that cycles decided: entries, reductions,
closes. All instruments close in the same millisecond.

For enough orders in a few minutes the market runs 2.5 times faster than by default (a 5m candle closes every two
seconds, so that the rest of the bot is busier than it would be), the limits on how often it may enter, and for how
much reward, are loosened, and what is open is flattened every twenty seconds, for a bot that holds positions has no
room for entries. Candles that close from the flattening until a second after its resume do not count, nor those of the
first half minute after the first decision: the machine is still busy starting the rest.
It ends with the fortieth order, or after ten minutes.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2

from bench.registry import Measured, distribution, figure
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.orphans import remove_database
from trading.clock import wall_now

SPEED = 150
SECONDS = 600
ORDERS = 40
LOOK_EVERY_S = 20
LOOSE = {
    "MAX_ENTRIES_PER_HOUR": "100",
    "REENTRY_COOLDOWN_MIN": "0",
    "MAX_CONSECUTIVE_LOSSES": "100",
    "MIN_REWARD_RISK": "0.5",
}


class Running:
    """A bot under measurement."""

    def __init__(self, home: Path, extra: dict[str, str]) -> None:
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environ = keep | {"OKXBOT_HOME": str(home), "ANALYST": "rules", "PAPER_SPEED": str(SPEED)} | extra
        self.process: subprocess.Popen[bytes] | None = None

    def okxbot(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=self.environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise OperatorError(f"okxbot {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}")
        return done.stdout

    def exports(self) -> dict[str, str]:
        pairs = (line.removeprefix("export ").split("=", 1) for line in self.okxbot("env").splitlines() if "=" in line)
        return {name: value.strip("'\"") for name, value in pairs}

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.okxbot("status", "--json"))
        return found


@contextmanager
def whole_bot(extra: dict[str, str]) -> Iterator[Running]:
    """Start it in the foreground as `make run` does, without a terminal; stop it as Ctrl-C does."""
    with tempfile.TemporaryDirectory(prefix="okxbot-bench-") as folder:
        Path(folder).chmod(0o755)
        bot = Running(Path(folder) / "home", extra)
        bot.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up"],
            env=bot.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield bot
        finally:
            bot.process.terminate()
            bot.process.wait(90)
            bot.okxbot("down")
            remove_database(Home(Path(folder) / "home").postgres)


def first_decision_s(bot: Running, began: float, within_s: float = 180) -> float:
    """Seconds from the start of `okxbot up` to the first decision on record."""
    while time.monotonic() - began < within_s:
        try:
            if any(cycle["outcome"] for cycle in bot.status()["last_cycles"]):
                return time.monotonic() - began
        except OperatorError:
            pass
        time.sleep(0.5)
    raise OperatorError(f"no decision within {within_s} s of the start")


def proportional_mb(bot: Running) -> float:
    """Proportional set size of the command, the supervisor and everything below, MB (/proc/PID/smaps_rollup)."""
    assert bot.process is not None
    command = psutil.Process(bot.process.pid)
    total = 0
    for process in (command, *command.children(recursive=True)):
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


@dataclass
class Latencies:
    """Milliseconds since the close of the deciding candle, a list for each moment on the way."""

    decision: list[float] = field(default_factory=list)
    intent: list[float] = field(default_factory=list)
    order: list[float] = field(default_factory=list)


@figure("whole-bot")
def whole_bot_figures() -> list[Measured]:
    """Time to the first decision, memory, and the way from candle to order, on the synthetic market."""
    began = time.monotonic()
    with whole_bot(LOOSE) as bot:
        first = first_decision_s(bot, began)
        time.sleep(30)
        memory = proportional_mb(bot)
        exports, quiet = bot.exports(), []
        way = Latencies()
        while len(way.order) < ORDERS and time.monotonic() - began < SECONDS:
            since = wall_now()
            time.sleep(LOOK_EVERY_S)
            quiet.append((since, wall_now()))
            time.sleep(1)  # the last candle's orders arrive
            way = latencies(exports, quiet)
            _make_room(bot)
    # Orders are rare: how many there were is a figure of its own, and one order is no distribution.
    found = [
        Measured("first-decision", round(first, 1), "s", 1),
        Measured("memory-pss", round(memory), "MB", 1),
        Measured("orders-measured", len(way.order), "orders", len(way.order)),
    ]
    for name, samples in (("decision", way.decision), ("intent", way.intent), ("order", way.order)):
        if len(samples) > 1:
            found.append(distribution(f"close-to-{name}", samples, "ms"))
    return found


def _make_room(bot: Running) -> None:
    """Close what is open, and let entries in again."""
    bot.okxbot("flatten")
    bot.okxbot("resume")
    time.sleep(1)


DECIDED = "SELECT inst_id, slot, decided_at FROM decision_cycles WHERE decided_at IS NOT NULL"
ORDERED = """
    SELECT c.inst_id, c.slot, o.cl_ord_id, m.sent_at
    FROM orders o
    JOIN decision_cycles c ON c.id = o.cycle_id
    JOIN outbox m ON m.task IN ('trade.submit', 'protect.submit') AND m.args = jsonb_build_array(o.id)
"""


def latencies(exports: dict[str, str], quiet: list[tuple[datetime, datetime]]) -> Latencies:
    """What the exchange's ledger and the bot's own rows say of the cycles whose candle closed in a `quiet` span (wall,
    start and end)."""
    with httpx.Client(base_url=exports["OKX_REST_URL"], trust_env=False) as client:
        ledger = f"http://127.0.0.1:{client.get('/paper/clock').json()['admin_port']}/paper/ledger"
        closes = client.get(ledger, params={"kind": "bar_close", "limit": 20000}).json()["entries"]
        requests = client.get(ledger, params={"kind": "request", "limit": 20000}).json()["entries"]
    closed = {
        (row["instId"], int(row["market_ms"])): int(row["wall_us"])
        for row in closes
        if row["bar"] == "5m" and any(a.timestamp() <= int(row["wall_us"]) / 1e6 <= b.timestamp() for a, b in quiet)
    }
    arrived = {cl_ord_id: int(row["wall_us"]) for row in requests for cl_ord_id in row["clOrdIds"]}
    connection = psycopg2.connect(exports["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute(DECIDED)
        decided = cursor.fetchall()
        cursor.execute(ORDERED)
        ordered = cursor.fetchall()
    connection.close()
    way = Latencies()

    def note(samples: list[float], inst_id: str, slot: datetime, at_us: float | None) -> None:
        close = closed.get((inst_id, round(slot.timestamp() * 1000)))
        if close is not None and at_us is not None:
            samples.append((at_us - close) / 1000)

    for inst_id, slot, at in decided:
        note(way.decision, inst_id, slot, at.timestamp() * 1e6)
    for inst_id, slot, cl_ord_id, sent_at in ordered:
        note(way.intent, inst_id, slot, sent_at and sent_at.timestamp() * 1e6)
        note(way.order, inst_id, slot, arrived.get(cl_ord_id))
    return way
