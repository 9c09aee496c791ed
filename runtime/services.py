"""The table of services: what runs, in which order it starts and stops.

Contract: `services_for(plan)` lists every process of a bot. They start by `phase`, those of one phase at once; they
stop by `stop_phase`: first what opens decision cycles, then the workers, which finish the stage in hand, then the
feeds, the exchange and the servers. `stop_timeout` (seconds) is longer than the longest stage of that service;
only after it is a process killed.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from runtime.environment import Plan
from settings import PaperSettings

CHECKOUT = Path(__file__).resolve().parent.parent

SERVERS, EXCHANGE, WORK, CLOCKWORK = 1, 2, 3, 4
# The stop phase after which no decision cycle is opened any more.
OPENS_CYCLES = 1


@dataclass(frozen=True)
class Service:
    name: str
    argv: tuple[str, ...]
    phase: int
    stop_phase: int
    stop_timeout: int = 20
    stop_signal: str = "TERM"
    user: str | None = None
    directory: Path = CHECKOUT
    # Does it touch OKXBOT_READY_FILE once it is ready, and must `up` wait for that?
    announces_ready: bool = False
    # Seconds it must live to count as started; one that dies sooner is restarted after growing pauses.
    started_after: int = 3
    environment: dict[str, str] = field(default_factory=dict)


# Celery workers by the name of their service; the seconds are the longest stage plus a margin.
WORKERS = {
    "orchestrator": 20,
    "haiku": 15,
    "opus": 40,
    "perplexity": 35,
    "reflection": 40,
    "trade": 20,
    "protect": 20,
    "account": 20,
}


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *arguments)


def _servers(plan: Plan) -> list[Service]:
    cluster = plan.cluster
    return [
        Service(
            "postgres", tuple(cluster.argv()), SERVERS, 6, stop_timeout=60,
            # Fast shutdown: clients are disconnected, transactions rolled back, the checkpoint written.
            stop_signal="INT", user=cluster.user.name if cluster.user else None, directory=Path("/"),
        ),
        Service("redis", tuple(plan.redis_server.argv()), SERVERS, 6, stop_timeout=30, directory=Path("/")),
    ]  # fmt: skip


def exchange_argv(settings: PaperSettings, host: str, port: int, data: Path, market: str) -> tuple[str, ...]:
    """The paper exchange of these settings; `market` as they name it, files by absolute paths."""
    argv = _python(
        "paper", "--host", host, "--port", str(port), "--data", str(data),
        "--market", market, "--speed", str(settings.paper_speed), "--seed", str(settings.paper_seed),
        "--warmup-bars", str(settings.warmup_bars), "--equity", str(settings.paper_equity),
    )  # fmt: skip
    # With candle files the instruments are those in the files.
    if settings.paper_market in ("synthetic", "okx"):
        argv += ("--instruments", ",".join(settings.instruments))
    if settings.paper_market == "okx":
        argv += ("--okx-rest", settings.okx_rest_url, "--okx-ws", settings.okx_ws_url)
    return argv


def _exchange(plan: Plan, settings: PaperSettings) -> Service:
    argv = exchange_argv(settings, "127.0.0.1", plan.ports["exchange"], plan.home.exchange, plan.market)
    return Service("exchange", argv, EXCHANGE, 5)


def services_for(plan: Plan) -> list[Service]:
    settings = plan.settings
    # Processes that count their own work; `metrics` adds it up.
    counting = {"PROMETHEUS_MULTIPROC_DIR": str(plan.home.counters)}
    table = _servers(plan) if plan.embedded else []
    if isinstance(settings, PaperSettings):
        table.append(_exchange(plan, settings))
        if settings.paper_speed == "lockstep":
            table.append(Service("pacer", _python("feeds.pacer"), CLOCKWORK, 1))
    table += [
        Service("market-feed", _python("feeds.market"), WORK, 1, announces_ready=True, environment=counting),
        # Fills are still mirrored while the workers finish.
        Service("account-feed", _python("feeds.account"), WORK, 3, announces_ready=True, environment=counting),
    ]
    table += [
        Service(name, _python("tasks.worker", name), WORK, 2, stop_timeout=seconds, environment=counting)
        for name, seconds in WORKERS.items()
    ]
    table += [
        Service("beat", _python("tasks.beat"), CLOCKWORK, 1),
        Service("flower", _python("tasks.flower"), CLOCKWORK, 4, announces_ready=True),
        Service("metrics", _python("metrics"), CLOCKWORK, 4, announces_ready=True),
    ]
    if settings.telegram_bot_token is not None:
        table.append(Service("telegram", _python("telegram_ui"), CLOCKWORK, 4))
    return table
