"""The whole bot, started as `make run` starts it, in a home of its own: latency, memory, time to the first decision.

`close-to-order`: from the close of the deciding candle at the exchange to the arrival of the order there, both by the
exchange's own wall clock. `close-to-decision` is the same up to the stored decision, for every cycle. Limits on how
often it may enter are loosened for the measurement, so that a few minutes give enough orders; nothing else differs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2

from bench.registry import Measured, distribution, figure
from runtime.errors import OperatorError

SPEED = 60
SECONDS = 420
LOOSE = {"MAX_ENTRIES_PER_HOUR": "100", "REENTRY_COOLDOWN_MIN": "0", "MAX_CONSECUTIVE_LOSSES": "100"}


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
    """Proportional set size of everything the bot runs, MB (/proc/PID/smaps_rollup)."""
    home = bot.environ["OKXBOT_HOME"]
    total = 0
    for process in psutil.process_iter():
        try:
            ours = process.pid == (bot.process and bot.process.pid) or process.environ().get("OKXBOT_HOME") == home
            if not ours and not any(home in part for part in process.cmdline()):
                continue
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (psutil.Error, OSError):
            continue
    return total / 1024


@figure("whole-bot")
def whole_bot_figures() -> list[Measured]:
    """Time to the first decision, memory, and the way from candle to order, on the synthetic market."""
    began = time.monotonic()
    with whole_bot(LOOSE) as bot:
        first = first_decision_s(bot, began)
        time.sleep(30)
        memory = proportional_mb(bot)
        time.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        decisions, orders = latencies(bot)
    found = [
        Measured("first-decision", round(first, 1), "s", 1),
        Measured("memory-pss", round(memory), "MB", 1),
        distribution("close-to-decision", decisions, "ms"),
    ]
    if len(orders) < 2:
        raise OperatorError(f"only {len(orders)} orders in {SECONDS} s: no distribution")
    return [*found, distribution("close-to-order", orders, "ms")]


def latencies(bot: Running) -> tuple[list[float], list[float]]:
    """Milliseconds from the bar's close at the exchange to the stored decision, and to the entry's arrival there."""
    exports = bot.exports()
    with httpx.Client(base_url=exports["OKX_REST_URL"], trust_env=False) as client:
        ledger = f"http://127.0.0.1:{client.get('/paper/clock').json()['admin_port']}/paper/ledger"
        closes = client.get(ledger, params={"kind": "bar_close", "limit": 20000}).json()["entries"]
        requests = client.get(ledger, params={"kind": "request", "limit": 20000}).json()["entries"]
    closed = {(row["instId"], int(row["market_ms"])): int(row["wall_us"]) for row in closes if row["bar"] == "5m"}
    arrived = {cl_ord_id: int(row["wall_us"]) for row in requests for cl_ord_id in row["clOrdIds"]}
    connection = psycopg2.connect(exports["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT inst_id, slot, decided_at FROM decision_cycles WHERE decided_at IS NOT NULL")
        decided = cursor.fetchall()
        cursor.execute(
            "SELECT c.inst_id, c.slot, o.cl_ord_id FROM orders o JOIN decision_cycles c ON c.id = o.cycle_id"
            " WHERE o.leg = 'entry'"
        )
        entries = cursor.fetchall()
    connection.close()

    def since(inst_id: str, slot: datetime, at_us: float) -> float | None:
        close = closed.get((inst_id, round(slot.timestamp() * 1000)))
        return None if close is None else (at_us - close) / 1000

    decisions = [since(inst_id, slot, at.timestamp() * 1e6) for inst_id, slot, at in decided]
    orders = [since(inst_id, slot, arrived[cl]) for inst_id, slot, cl in entries if cl in arrived]
    # The first cycles after a start also pay for warming up; they are real, and stay in.
    return [ms for ms in decisions if ms is not None], [ms for ms in orders if ms is not None]
