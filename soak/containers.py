"""The compose file as its owner runs it: images built, everything up, a trade, halts, restarts, an orderly end.

Needs a Docker engine. Where no image registry is reached, PostgreSQL and Redis are images made here from the locked
wheels, and Grafana, which cannot be made, is left out and said to be. Times are wall seconds.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from runtime.compose_secrets import write_secrets
from runtime.ports import free_port
from soak.engine import BASE, Engine, make_base, make_prometheus, standins
from soak.process import CHECKOUT

PROJECT = "okxbot-proof"
IMAGE = "okxbot-proof/okxbot"
OFFICIAL = {
    "POSTGRES_IMAGE": "postgres:18.6",
    "REDIS_IMAGE": "valkey/valkey:9.1.2",
    "GRAFANA_IMAGE": "grafana/grafana:11.6.0",
    "PROMETHEUS_IMAGE": "prom/prometheus:v3.5.0",
}
WORKERS = ("orchestrator", "haiku", "opus", "perplexity", "reflection", "trade", "protect", "account")
OURS = (*WORKERS, "beat", "market-feed", "account-feed", "flower", "metrics", "exchange")
# Queues that have had work once a first trade is filled; the rules analyst asks no model.
COUNTING = ("cycle", "trade", "protect", "account")
COUNTED_WITHIN = 120.0
UP_WITHIN, TRADE_WITHIN, HEALTHY_WITHIN = 420.0, 600.0, 240.0
Say = Callable[[str], None]


@dataclass
class Stack:
    """One project of containers in a folder of its own."""

    engine: Engine
    folder: Path
    environment: dict[str, str]
    without: list[str] = field(default_factory=list)

    def compose(self, *arguments: str, check: bool = True, timeout: float = 600) -> str:
        done = subprocess.run(
            [*self.engine.compose, "-p", PROJECT, *arguments],
            cwd=self.folder, env=os.environ | self.environment, capture_output=True, text=True, timeout=timeout,
            check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise RuntimeError(f"compose {' '.join(arguments)}: {(done.stderr or done.stdout)[-2500:]}")
        return done.stdout

    def okxbot(self, *arguments: str) -> str:
        """An `okxbot` command where an operator runs it."""
        return self.compose("exec", "-T", "orchestrator", "okxbot", *arguments)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.okxbot("status", "--json")))

    def inspect(self, service: str) -> dict[str, Any]:
        (container,) = self.compose("ps", "-q", "-a", service, check=False).split() or self._any_of(service)
        return dict(json.loads(self.engine.run("inspect", container))[0])

    def _any_of(self, service: str) -> list[str]:
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={PROJECT}"
        return self.engine.run("ps", "-a", "-q", "--filter", label, "--filter", project).split()

    def services(self) -> list[str]:
        return [name for name in self.compose("config", "--services").split() if name not in self.without]

    def wait(self, what: str, until: Callable[[], Any], within: float) -> Any:
        deadline = monotonic() + within
        while True:
            found = until()
            if found:
                return found
            if monotonic() > deadline:
                health = {name: _health(self, name) for name in self.services()}
                said = self.compose("logs", "--no-color", "--tail=3", check=False)[-2500:]
                raise TimeoutError(f"waited {within:.0f} s for {what}; {health}; {said}")
            sleep(2)


@contextmanager
def stack(folder: Path, say: Say) -> Iterator[Stack]:
    """Images built, secrets made, nothing started yet; at the end nothing is left but the images."""
    engine = Engine.find()
    registry = all(engine.has(image) for image in OFFICIAL.values())
    environment = {"OKXBOT_IMAGE": IMAGE, "COMPOSE_PROFILES": "paper,prometheus"}
    environment |= {
        f"PUBLISH_{name}": str(free_port()) for name in ("POSTGRES", "REDIS", "GRAFANA", "FLOWER", "METRICS")
    }
    if not registry:
        say("no image registry: images are made here, and Grafana is left out")
        make_base(engine, folder)
        environment["PYTHON_IMAGE"] = BASE
    arguments = ["--build-arg", f"PYTHON_IMAGE={BASE}"] if not registry else []
    engine.run("build", "-q", "-t", IMAGE, *arguments, str(CHECKOUT), timeout=1800)
    say("image built")
    if not registry:
        environment |= standins(engine, IMAGE) | make_prometheus(engine, folder)
    (folder / "metrics").mkdir()
    for name in ("docker-compose.yml", "grafana", "metrics/prometheus.yml"):
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    write_secrets(folder)
    # Telegram needs a token of its owner's.
    found = Stack(engine, folder, environment, without=["telegram"] if registry else ["telegram", "grafana"])
    try:
        yield found
    finally:
        found.compose("down", "-v", "--remove-orphans", "-t", "5", check=False)


def prove(folder: Path, say: Say) -> dict[str, Any]:
    """Every claim of the compose file, looked at from outside; `failed` names what was not so."""
    failed: list[str] = []
    with stack(folder, say) as bot:
        began = monotonic()
        bot.compose("up", "-d", "--no-build", *bot.services(), timeout=UP_WITHIN)
        up = monotonic() - began
        say(f"up in {up:.0f} s")
        bot.wait("a first trade", lambda: _filled(bot), TRADE_WITHIN)
        trade = monotonic() - began
        say(f"first fill after {trade:.0f} s")
        for service in bot.services():
            failed += _hardening(bot, service)
        failed += _doors(bot)
        unwell = bot.wait("all to be healthy", lambda: _healthy(bot), HEALTHY_WITHIN)
        memory = _memory(bot)
        say(f"{unwell} services healthy, {sum(memory.values())} MB")
        counted = bot.wait("every worker's counters in Prometheus", partial(_counted, bot), COUNTED_WITHIN)
        say(f"Prometheus has counted {counted}")
        failed += _halt_by_stream(bot)
        failed += _restarts(bot, say)
        backup = bot.compose("run", "--rm", "-T", "migrate", "okxbot", "backup").strip()
        say(backup.splitlines()[-1].strip())
        failed += _orderly_end(bot)
    return {
        "proof": "containers",
        "without": bot.without,
        "up_s": round(up, 1),
        "first_fill_s": round(trade, 1),
        "memory_mb": memory,
        "tasks_counted": counted,
        "failed": failed,
    }


def _filled(bot: Stack) -> bool:
    return bool(bot.status()["orders_by_state"].get("filled"))


def _healthy(bot: Stack) -> int:
    states = [_health(bot, name) for name in bot.services() if name != "migrate"]
    return len(states) if all(state == "healthy" for state in states) else 0


def _health(bot: Stack, service: str) -> str:
    """Docker's word for it: starting, healthy, unhealthy; empty for one without a check."""
    return str(bot.inspect(service)["State"].get("Health", {}).get("Status", ""))


def _counted(bot: Stack) -> dict[str, int]:
    """Tasks by queue as the Prometheus of the stack has them; empty until each queue that must have worked is there."""
    query = ("promtool", "query", "instant", "http://127.0.0.1:9090", "sum by (queue) (okxbot_task_seconds_count)")
    lines = bot.compose("exec", "-T", "prometheus", *query).splitlines()
    found = {line.split('"')[1]: int(line.split("=> ")[1].split()[0]) for line in lines if "queue=" in line}
    return found if set(COUNTING) <= set(found) else {}


def _hardening(bot: Stack, service: str) -> list[str]:
    found, wrong = bot.inspect(service), []
    host, config = found["HostConfig"], found["Config"]
    if config["User"].split(":")[0] in ("", "0", "root"):
        wrong.append("runs as root")
    if not host["ReadonlyRootfs"]:
        wrong.append("may write its root file system")
    if not any("no-new-privileges" in option for option in host["SecurityOpt"] or []):
        wrong.append("may gain privileges")
    if not host["Memory"]:
        wrong.append("has no memory limit")
    ports = [bound for bounds in (host["PortBindings"] or {}).values() for bound in bounds]
    wrong += [f"publishes {bound['HostPort']} on {bound['HostIp'] or 'every address'}" for bound in ports
              if bound["HostIp"] != "127.0.0.1"]  # fmt: skip
    secrets = [path.read_text().strip() for path in (bot.folder / "secrets").iterdir() if path.suffix != ".env"]
    shown = json.dumps(config["Env"]) + json.dumps(config["Cmd"])
    wrong += ["shows a secret in its environment" for secret in secrets if secret in shown]
    return [f"{service} {what}" for what in wrong]


def _doors(bot: Stack) -> list[str]:
    """Redis and PostgreSQL without a password; Flower without one; what the operator's Redis user may not do."""
    wrong = []
    tries = {
        "Redis without a password": ("redis", "env", "-u", "REDISCLI_AUTH", "redis-cli", "ping"),
        "the operator's Redis user, a task": ("redis", "redis-cli", "-n", "1", "LPUSH", "okxbot:trade", "x"),
        "PostgreSQL without a password": (
            "postgres",
            "psql",
            "-w",
            "-h",
            "postgres",
            "-U",
            "okxbot",
            "trading_bot",
            "-c",
            "select 1",
        ),
    }
    for what, (service, *command) in tries.items():
        done = subprocess.run(
            [*bot.engine.compose, "-p", PROJECT, "exec", "-T", service, *command],
            cwd=bot.folder, env=os.environ | bot.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode == 0 and not any(word in done.stdout for word in ("NOAUTH", "NOPERM")):
            wrong.append(f"let in: {what}: {done.stdout[:200]}")
    flower = "import urllib.request as u; u.urlopen('http://127.0.0.1:5555/api/workers')"
    if "401" not in _error_of(bot, "flower", "python", "-c", flower):
        wrong.append("Flower let in without a password")
    return wrong


def _error_of(bot: Stack, service: str, *command: str) -> str:
    try:
        bot.compose("exec", "-T", service, *command)
    except RuntimeError as refusal:
        return str(refusal)
    return ""


def _halt_by_stream(bot: Stack) -> list[str]:
    alert = '{"reason":"manual halt","severity":"CRITICAL"}'
    bot.compose(
        "exec", "-T", "redis", "redis-cli", "XADD", "system:alerts", "*", "type", "system_alert", "payload", alert
    )
    bot.wait("the halt", lambda: bot.status()["state"] == "halted", 30)
    said = bot.okxbot("resume")
    return [] if "trading again" in said else [f"resume said {said!r}"]


def _restarts(bot: Stack, say: Say) -> list[str]:
    """One worker type after the other is restarted while the others trade: cycles go on, each exit is 0."""
    wrong = []
    for service in (*WORKERS, "account-feed", "market-feed", "beat"):
        before = bot.status()["cycles_total"]
        bot.compose("restart", service)
        if service in WORKERS:
            bot.wait(f"{service} to answer", partial(_well, bot, service), 90)
        bot.wait(f"cycles after {service}", partial(_more_cycles_than, bot, before), 120)
    say("every worker, feed and beat restarted; cycles went on")
    status = bot.status()
    if status["unknown_orders"] or status["breaks"]:
        wrong.append(f"after the restarts: {status['unknown_orders']} unknown, breaks {status['breaks']}")
    return wrong


def _more_cycles_than(bot: Stack, before: int) -> bool:
    return int(bot.status()["cycles_total"]) > before


def _well(bot: Stack, service: str) -> bool:
    return not _error_of(bot, service, "python", "-m", "runtime.health", service)


def _memory(bot: Stack) -> dict[str, int]:
    """MB in use, by service."""
    lines = bot.engine.run("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    found = {}
    for line in lines:
        name, used = line.split()[:2]
        for service in bot.services():
            if name in (f"{PROJECT}_{service}_1", f"{PROJECT}-{service}-1"):
                number = float("".join(c for c in used if c.isdigit() or c == "."))
                found[service] = round(number * (1024 if used.endswith("GiB") else 1))
    return found


def _orderly_end(bot: Stack) -> list[str]:
    """`stop` ends all within their grace: exit status 0, `shutdown_complete` the last line of each of ours."""
    bot.compose("stop", timeout=300)
    wrong = []
    for service in bot.services():
        state = bot.inspect(service)["State"]
        if state["ExitCode"] != 0 or state["OOMKilled"]:
            wrong.append(f"{service} ended with status {state['ExitCode']}")
        if service in OURS and service != "exchange":
            lines = bot.compose("logs", "--no-color", "--tail=1", service).strip().splitlines()
            if not lines or "shutdown_complete" not in lines[-1]:
                wrong.append(f"the last line of {service} is {lines[-1:]}")
    return wrong
