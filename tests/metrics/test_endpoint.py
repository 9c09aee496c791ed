"""The service as a process over real servers: who may read, what is said, and what when a part is away."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session

from exchange import market_keys
from exchange.redis_client import build_redis
from feeds.dispatch import Dispatcher
from metrics.__main__ import sample_or_end
from metrics.collector import Bot
from models import Account, BotState, DecisionCycle, LlmCall, Order, OrderEvent, Position
from models.session import build_engine, build_sessions
from runtime.ports import free_port
from settings import PaperSettings, load_settings
from trading.clock import to_ms, wall_now

USER = ("okxbot", "a long password")
BTC = "BTC-USDT-SWAP"
NEEDS_PASSWORD = "okxbot: metrics needs METRICS_BASIC_AUTH=user:password in its environment"


def cycle(session: Session, minute: int, *, stages_s: float) -> None:
    """A cycle that ended, its one stage having taken so long."""
    began = wall_now() - timedelta(minutes=minute)
    ended = (began + timedelta(seconds=stages_s)).isoformat()
    log = [{"stage": "collect", "started": began.isoformat(), "ended": ended, "next": "journal"}]
    session.add(
        DecisionCycle(
            account_id=1, inst_id=BTC, slot=began, opened_by="feed", stage="done", outcome="hold", deadline=began,
            created_at=began, finished_at=began + timedelta(seconds=2), stage_log=log,
        )
    )  # fmt: skip


@pytest.fixture
def seeded(database_url: str) -> str:
    """A bot with a naked position, an unknown order and some model spend."""
    engine = build_engine(database_url, "tests")
    now = wall_now()
    with build_sessions(engine).begin() as session:
        session.add(Account(id=1, mode="paper", uid="1", order_prefix="a"))
        session.flush()
        session.add(BotState(account_id=1, state="running", equity=Decimal(9900), naked_seconds_total=Decimal("7.5"),
                             reconciled_at=now - timedelta(seconds=40)))  # fmt: skip
        session.add(Position(account_id=1, inst_id=BTC, mgn_mode="isolated", pos_side="net", pos_id="1",
                             contracts=Decimal(1), updated_market_at=now,
                             uncovered_since=now - timedelta(seconds=3)))  # fmt: skip
        order = Order(account_id=1, leg="entry", cl_ord_id="a1", inst_id=BTC, side="buy", ord_type="fok",
                      td_mode="isolated", sz_contracts=Decimal(1), reduce_only=False, state="unknown")  # fmt: skip
        session.add(order)
        session.flush()
        for before, state in ((None, "intended"), ("intended", "submitting"), ("submitting", "unknown")):
            session.add(OrderEvent(order_id=order.id, from_state=before, to_state=state, source="submit",
                                   at=now - timedelta(seconds=20)))  # fmt: skip
        session.add(LlmCall(account_id=1, purpose="decide", provider="anthropic", model="opus", prompt_version="1",
                            request_sha256="x", request={}, reserved_usd=Decimal("0.75"), created_at=now))  # fmt: skip
    engine.dispose()
    return database_url


@pytest.fixture
def service(seeded: str, redis_url: str, broker_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """The endpoint of a running service."""
    port, ready = free_port(), tmp_path / "ready"
    process = subprocess.Popen(
        [sys.executable, "-m", "metrics"], stdout=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {
            "OKXBOT_HOME": str(tmp_path), "DATABASE_URL": seeded, "REDIS_URL": redis_url,
            "CELERY_BROKER_URL": broker_url, "METRICS_PORT": str(port), "METRICS_BASIC_AUTH": ":".join(USER),
            "OKXBOT_READY_FILE": str(ready), "LLM_DAILY_BUDGET_USD": "3",
        },
    )  # fmt: skip
    deadline = monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, process.communicate()[0]
        assert monotonic() < deadline
        sleep(0.05)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
        yield client
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    assert json.loads(said.splitlines()[-1])["event"] == "shutdown_complete"


def values(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values…) → value."""
    return {(sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}  # fmt: skip


def test_only_who_knows_the_password_reads_and_what_is_read_is_true(
    service: httpx.Client, broker_url: str, redis_url: str
):
    assert service.get("/metrics").status_code == 401
    assert service.get("/metrics", auth=("okxbot", "guessed")).status_code == 401
    assert "okxbot_" not in service.get("/metrics").text
    assert service.get("/", auth=USER).status_code == 404
    assert service.post("/metrics", auth=USER).status_code == 405

    dispatcher = Dispatcher(broker_url)
    assert dispatcher.send("opus.analyze", 1)
    sleep(0.3)
    assert dispatcher.send("opus.analyze", 2)
    dispatcher.close()
    market = redis.Redis.from_url(redis_url)
    market.hset(market_keys.seen(BTC), "ticker", f"{to_ms(wall_now()) - 4000} 0")
    market.close()

    read = values(service.get("/metrics", auth=USER).text)
    assert read["okxbot_queue_depth", "opus"] == 2
    assert read["okxbot_queue_depth", "trade"] == 0
    assert 0.3 <= read["okxbot_queue_oldest_seconds", "opus"] < 30
    assert read["okxbot_order_outcomes_total", "entry", "unknown"] == 1
    assert read["okxbot_open_orders", "unknown"] == 1
    assert read["okxbot_naked_seconds_total",] == 7.5
    assert read["okxbot_uncovered_seconds",] >= 3
    assert (read["okxbot_llm_spent_usd",], read["okxbot_llm_budget_usd",]) == (0.75, 3)
    assert 4 <= read["okxbot_feed_lag_seconds", "ticker", BTC] < 30
    assert 40 <= read["okxbot_guard_age_seconds", "reconcile"] < 80
    assert {key[1]: value for key, value in read.items() if key[0] == "okxbot_up"} == dict.fromkeys(
        ("postgres", "redis", "broker", "services", "workers"), 1.0
    )


def test_stage_latency_counts_every_ended_cycle_once(seeded: str, redis_url: str, tmp_path: Path):
    engine = build_engine(seeded, "tests")
    sessions, client = build_sessions(engine), redis.Redis.from_url(redis_url)
    bot = Bot(sessions, 1, client, client, PaperSettings(okxbot_home=tmp_path), tmp_path / "none")
    with sessions.begin() as session:
        cycle(session, 60, stages_s=9)
    told = [list(bot.collect())]  # what ended before it began is history
    for minute in (2, 1):
        with sessions.begin() as session:
            cycle(session, minute, stages_s=0.2)
        told += [list(bot.collect()), list(bot.collect())]
    counts = [{s.name: s.value for family in families for s in family.samples if not s.labels or "stage" in s.labels
               or "outcome" in s.labels} for families in told]  # fmt: skip
    assert [each.get("okxbot_cycles_total", 0) for each in counts] == [0, 1, 1, 2, 2]
    assert counts[-1]["okxbot_stage_seconds_sum"] == pytest.approx(0.4)
    assert counts[-1]["okxbot_cycle_seconds_sum"] == pytest.approx(4)
    engine.dispose()
    client.close()


def test_a_part_that_is_away_is_said_to_be_and_the_others_are_there(seeded: str, tmp_path: Path):
    engine = build_engine(seeded, "tests")
    nobody = build_redis(f"redis://127.0.0.1:{free_port()}/0")
    bot = Bot(build_sessions(engine), 1, nobody, nobody, PaperSettings(okxbot_home=tmp_path), tmp_path)
    found = {(s.name, *s.labels.values()): s.value for family in bot.collect() for s in family.samples}
    assert (found["okxbot_up", "postgres"], found["okxbot_up", "redis"], found["okxbot_up", "broker"]) == (1, 0, 0)
    assert found["okxbot_naked_seconds_total",] == 7.5
    engine.dispose()


def test_a_broken_file_of_counters_takes_nothing_else_away(seeded: str, redis_url: str, tmp_path: Path):
    engine, client = build_engine(seeded, "tests"), redis.Redis.from_url(redis_url)
    bot = Bot(build_sessions(engine), 1, client, client, PaperSettings(okxbot_home=tmp_path), tmp_path)
    for content in (
        b"no counters here, and more than sixteen bytes",
        b"\x30\0\0\0\0\0\0\0\x08\0\0\0not json" + bytes(40),
    ):
        (tmp_path / "counter_1.db").write_bytes(content)
        found = {(s.name, *s.labels.values()): s.value for family in bot.collect() for s in family.samples}
        assert (found["okxbot_up", "workers"], found["okxbot_up", "postgres"]) == (0, 1)
    engine.dispose()
    client.close()


def test_samples_that_end_end_the_service():
    """A thread that died unseen left the dashboards standing still behind a service that answered."""

    class Broken:
        def collect(self):
            raise KeyError("not foreseen")

    stopping, broken = threading.Event(), threading.Event()
    sample_or_end(Broken(), stopping, broken)  # type: ignore[arg-type]
    assert stopping.is_set()
    assert broken.is_set()


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"METRICS_BASIC_AUTH": ""}, NEEDS_PASSWORD),
        ({"METRICS_BASIC_AUTH": "okxbot:"}, NEEDS_PASSWORD),
        ({}, "okxbot: DATABASE_URL, REDIS_URL and CELERY_BROKER_URL: are required; `okxbot up` sets them"),
    ],
)  # fmt: skip
def test_without_what_it_needs_it_says_so_in_a_line(tmp_path: Path, changed: dict[str, str], line: str):
    environ = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-m", "metrics"], capture_output=True, text=True, timeout=30, check=False,
        env=environ | {"OKXBOT_HOME": str(tmp_path), "METRICS_BASIC_AUTH": "a:b"} | changed,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, line + "\n")


def test_load_settings_knows_the_port():
    assert load_settings({"METRICS_PORT": "9000"}, dotenv=False).metrics_port == 9000
