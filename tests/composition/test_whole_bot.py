"""The whole bot, started as `make run` starts it, judged by its own status and by the exchange's own words.

One story told in order: a candle confirms, a cycle decides, an order reaches the exchange with its stop attached, the
fill is journalled, the fall hits the stop, a halt is obeyed, a shutdown is clean, a restart carries on.
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from market_file import write_rise_and_fall

INST = "BTC-USDT-SWAP"
pytestmark = [pytest.mark.composition, pytest.mark.timeout(400)]


class Bot:
    """A bot in a home of its own, commanded as its owner does."""

    def __init__(self, checkout: Path, home: Path, market: Path, speed: str) -> None:
        self._checkout = checkout
        self.home = home
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        self._env = keep | {
            "OKXBOT_HOME": str(home),
            "PAPER_MARKET": str(market),
            "PAPER_SPEED": speed,
        }

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=self._checkout, env=self._env, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"okxbot {arguments}: {done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json").stdout)

    def wait(self, what: str, until: Callable[[dict[str, Any]], Any], within_s: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while True:
            status = self.status()
            if until(status):
                return status
            assert time.monotonic() < deadline, (
                f"waited {within_s} s for {what}: {json.dumps(status)[:3000]}\n{self.errors()}"
            )
            time.sleep(0.5)

    def exports(self) -> dict[str, str]:
        lines = self.run("env").stdout.splitlines()
        pairs = (line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        return {name: value.strip("'\"") for name, value in pairs}

    def okx(self, path: str) -> list[dict[str, Any]]:
        """A signed read of the exchange, by no code of the bot."""
        env = self.exports()
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: TID251
        digest = hmac.new(env["OKX_SECRET_KEY"].encode(), f"{at}GET{path}".encode(), hashlib.sha256).digest()
        headers = {
            "OK-ACCESS-KEY": env["OKX_API_KEY"],
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
            "OK-ACCESS-TIMESTAMP": at,
            "OK-ACCESS-PASSPHRASE": env["OKX_PASSPHRASE"],
        }
        answer = httpx.get(env["OKX_REST_URL"] + path, headers=headers, trust_env=False).json()
        assert answer["code"] == "0", answer
        return answer["data"]

    def audit(self) -> dict[str, Any]:
        clock = httpx.get(self.exports()["OKX_REST_URL"] + "/paper/clock", trust_env=False).json()
        audit = f"http://127.0.0.1:{clock['admin_port']}/paper/audit"
        accounts = httpx.get(audit, trust_env=False).json()["accounts"]
        return next(iter(accounts.values()))

    def log(self, service: str) -> list[dict[str, Any]]:
        lines = (self.home / "logs" / f"{service}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def errors(self) -> str:
        """Everything the services logged as errors, and every traceback."""
        found = []
        for file in sorted((self.home / "logs").glob("*.log")):
            found += [f"{file.name}: {line}" for line in file.read_text().splitlines()
                      if '"level": "error"' in line or line.startswith("Traceback")]  # fmt: skip
        return "\n".join(found)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("whole")
    folder.chmod(0o755)
    market = write_rise_and_fall(folder / f"{INST}_5m.csv")
    bot = Bot(Path(__file__).resolve().parents[2], folder / "home", market, speed="lockstep")
    try:
        bot.run("up", "--detach")
        yield bot
    finally:
        bot.run("down", check=False)


def test_a_candle_confirms_and_a_cycle_decides(bot: Bot):
    status = bot.wait("a decision", lambda s: any(c["outcome"] for c in s["last_cycles"]), within_s=90)
    assert (status["mode"], status["analyst"], status["state"]) == ("paper", "rules", "running")
    decided = next(c for c in status["last_cycles"] if c["outcome"])
    assert decided["instrument"] == INST
    assert decided["reason"]
    assert set(status["services"].values()) == {"RUNNING"}
    assert status["feed_age_s"]["candle"] < 30
    assert any(line["event"] == "indicator_server_started" for line in bot.log("market-feed"))


def test_an_open_position_is_shown_with_its_live_stop(bot: Bot):
    status = bot.wait("an open position with its stop", lambda s: s["positions"] and s["positions"][0]["stop"])
    position = status["positions"][0]
    assert position["instrument"] == INST
    sign = 1 if position["side"] == "long" else -1
    assert sign * position["stop"] < sign * position["avg_price"] < sign * position["take_profit"]


def test_the_order_reached_the_exchange_with_its_stop_and_the_fill_is_journalled(bot: Bot):
    bot.wait("a trade closed by its stop", lambda _: _closed(bot, "stop"), within_s=180)
    trade = json.loads(bot.run("trades", "--json").stdout)[-1]
    orders = bot.okx("/api/v5/trade/orders-history?instType=SWAP&limit=100")
    entry = [o for o in orders if o["reduceOnly"] == "false"][-1]
    assert (entry["state"], entry["ordType"], entry["side"]) == ("filled", "fok", "buy")
    attached = entry["attachAlgoOrds"][0]
    assert float(attached["slTriggerPx"]) < float(entry["avgPx"]) < float(attached["tpTriggerPx"])
    assert trade["side"] == "long"
    assert trade["entry_px"] == pytest.approx(float(entry["avgPx"]))
    out = next(o for o in reversed(orders) if o["reduceOnly"] == "true")
    assert trade["fees"] == pytest.approx(float(entry["fee"]) + float(out["fee"]))
    assert trade["pnl"] == pytest.approx(float(out["pnl"]))


def test_the_cycle_shows_every_reason(bot: Bot):
    cycles = json.loads(bot.run("cycles", "--json", "--limit", "500").stdout)
    opened = [c for c in cycles if c["outcome"] == "opened"][-1]
    shown = json.loads(bot.run("cycle", "show", str(opened["id"]), "--json").stdout)
    # A confirmation that came before the fill looks again: the same stage twice.
    stages = [stage for stage, _ in groupby(entry["stage"] for entry in shown["stage_log"])]
    assert stages == ["collect", "analyze", "gate", "confirm", "journal"]
    assert shown["decision"]["action"] in ("OPEN_LONG", "OPEN_SHORT")
    assert shown["reason"]
    assert shown["snapshot"]["market"]["frames"]["5m"]["rsi14"] is not None
    checks = {check["name"]: check for check in shown["verdicts"][0]["checks"]}
    assert len(checks) >= 15
    order = next(o for o in shown["orders"] if o["leg"] == "entry")
    assert [e["to_state"] for e in order["events"]] == ["intended", "submitting", "live", "filled"]


def test_the_fall_hit_the_stop_and_nothing_was_ever_uncovered(bot: Bot):
    trade = _closed(bot, "stop")[-1]
    assert trade["net_pnl"] < 0
    assert trade["net_pnl"] == pytest.approx(trade["pnl"] + trade["fees"] + trade["funding"])
    assert trade["exit_px"] < trade["entry_px"]
    audit = bot.audit()
    assert audit["uncovered_bars"] == 0
    assert audit["accepted_more_than_once"] == []
    assert audit["identity_holds"]


def test_one_id_follows_a_decision_through_every_service_to_its_fills(bot: Bot):
    cycle_id = _closed(bot, "stop")[-1]["cycle_id"]
    said = [json.loads(line) for line in bot.run("logs", "--cycle", str(cycle_id), "--json").stdout.splitlines()]
    steps = {(line["service"], line["event"], line.get("state") or line.get("stage")) for line in said}
    assert steps >= {
        ("market-feed", "candle_confirmed", None),
        ("orchestrator", "state_transition", "gate"),
        ("trade", "order_state", "submitting"),
        ("trade", "exchange_mutation", None),
        ("account-feed", "order_state", "filled"),
        ("account-feed", "fill_journalled", None),
        ("account", "state_transition", "confirm"),
        ("protect", "stop_placed", "live"),
        ("orchestrator", "state_transition", "journal"),
    }
    assert all(line["cycle_id"] == cycle_id for line in said if line["event"] == "state_transition")
    assert [line["timestamp"] for line in said] == sorted(line["timestamp"] for line in said)
    assert sum(line["event"] == "fill_journalled" for line in said) >= 2, "in and out"


def test_metrics_are_served_and_no_password_was_ever_logged(bot: Bot):
    ports = json.loads((bot.home / "ports.json").read_text())
    passwords = json.loads((bot.home / "secrets.json").read_text())
    url = f"http://127.0.0.1:{ports['metrics']}/metrics"
    assert httpx.get(url, trust_env=False).status_code == 401
    told = httpx.get(url, auth=("okxbot", passwords["flower_password"]), trust_env=False, timeout=20).text
    for wanted in (
        'okxbot_task_seconds_count{queue="trade",task="trade.submit"}',
        'okxbot_up{part="workers"} 1.0',
        'okxbot_queue_depth{queue="opus"}',
        "okxbot_stage_seconds_bucket",
        "okxbot_resident_bytes",
    ):
        assert wanted in told
    written = "".join(path.read_text(errors="replace") for path in (bot.home / "logs").iterdir())
    assert [name for name, password in passwords.items() if password in written] == []


def test_a_halt_is_obeyed_and_stored(bot: Bot):
    said = bot.run("halt", "rehearsal").stdout
    assert "halted (manual): rehearsal" in said
    before = bot.status()
    assert (before["state"], before["halt_reason"]) == ("halted", "manual: rehearsal")
    entries = _entries(bot)
    bot.wait("ten more cycles", lambda s: s["cycles_total"] >= before["cycles_total"] + 10)
    assert _entries(bot) == entries


def test_flatten_answers_when_the_exchange_shows_flat(bot: Bot):
    assert "flat" in bot.run("flatten").stdout
    assert [p for p in bot.okx("/api/v5/account/positions") if float(p["pos"])] == []
    assert bot.okx("/api/v5/trade/orders-algo-pending?ordType=conditional,oco") == []


def test_shutdown_is_clean_and_a_restart_carries_on(bot: Bot):
    before = bot.status()
    bot.run("down")
    for service in ("orchestrator", "trade", "protect", "account", "market-feed", "account-feed", "beat"):
        assert bot.log(service)[-1]["event"] == "shutdown_complete", service
    bot.run("up", "--detach")
    after = bot.wait("a cycle after the restart", lambda s: s["cycles_total"] > before["cycles_total"])
    assert after["state"] == "halted", "a halt by hand survives a restart"
    assert after["now"] >= before["now"]
    assert after["equity"] == pytest.approx(before["equity"], rel=1e-6)
    assert "trading again" in bot.run("resume").stdout
    bot.wait("the bot to run", lambda s: s["state"] == "running")


def test_a_backup_of_the_running_bot_brings_everything_back_after_the_database_is_lost(bot: Bot):
    bot.wait("cycles to come", lambda s: s["cycles_total"])
    # Entries after the backup would be found at the exchange as nobody's; cycles, stops and closes go on.
    bot.run("halt", "backup drill")
    trades = _round_trips(bot)
    said = bot.run("backup").stdout
    dump = next(iter(sorted((bot.home / "backups").glob("*.dump"))))
    assert f"{dump.name} (" in said
    refused = bot.run("restore", str(dump), check=False)
    assert (refused.returncode, "stop it with `okxbot down`" in refused.stderr) == (2, True)
    counted = json.loads((dump.parent / f"{dump.name}.json").read_text())["rows"]
    bot.run("down")

    # The disk with the database is gone; only the backup, and what the exchange holds, is left.
    database = (bot.home / "postgres").resolve()
    shutil.rmtree(database)
    (bot.home / "postgres").unlink(missing_ok=True)
    restored = bot.run("restore", str(dump)).stdout
    assert f"{counted['fills']} fills" in restored
    before = bot.run("status", "--json", check=False).stdout
    assert (json.loads(before)["cycles_total"], json.loads(before)["reconciled_at"]) == (
        counted["decision_cycles"],
        None,
    )

    bot.run("up", "--detach")
    bot.wait("the reconciliation", lambda s: s["reconciled_at"])
    after = bot.wait("a cycle after it", lambda s: s["cycles_total"] > counted["decision_cycles"])
    assert after["breaks"] == []
    assert trades.items() <= _round_trips(bot).items()
    assert "trading again" in bot.run("resume").stdout
    assert bot.audit()["accepted_more_than_once"] == []


def test_no_service_logged_an_error(bot: Bot):
    assert bot.errors() == ""


def _closed(bot: Bot, reason: str) -> list[dict[str, Any]]:
    return [t for t in json.loads(bot.run("trades", "--json").stdout) if t["exit_reason"] == reason]


def _round_trips(bot: Bot) -> dict[int, tuple[Any, ...]]:
    figures = ("side", "opened_market_at", "closed_market_at", "entry_px", "exit_px", "net_pnl", "exit_reason")
    trades = json.loads(bot.run("trades", "--json").stdout)
    return {t["id"]: tuple(t[f] for f in figures) for t in trades if t["closed_market_at"]}


def _entries(bot: Bot) -> int:
    return sum(1 for o in bot.okx("/api/v5/trade/orders-history?instType=SWAP") if o["reduceOnly"] == "false")
