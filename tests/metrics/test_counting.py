"""What several processes count adds up, one killed among them; samples say what a minute was like."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import select

from metrics.collector import of_the_workers
from metrics.samples import KEPT, Samples, quantile, store
from models import HealthSample
from models.session import build_engine, build_sessions

WORK = """
import os, signal, sys
from tasks.app import app
from tasks.policies import RepeatableTask

@app.task(name="cycle.probe", base=RepeatableTask)
def probe(fails):
    if fails:
        raise ValueError("as asked")

for fails in (False, False, True):
    try:
        probe(fails)
    except ValueError:
        pass
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def counters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three processes ran three tasks each, one of which failed; one process was killed."""
    folder = tmp_path_factory.mktemp("counters") / "made by whoever counts first"
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    running = [subprocess.Popen([sys.executable, "-c", WORK, how], env=environ) for how in ("ends", "ends", "killed")]
    assert sorted(process.wait(60) for process in running) == [-signal.SIGKILL, 0, 0]
    return folder


def test_counts_of_all_processes_add_up_those_of_a_killed_one_too(counters: Path):
    found = {(s.name, *s.labels.values()): s.value for family in of_the_workers(counters) for s in family.samples}
    assert found["okxbot_task_failures_total", "cycle", "cycle.probe"] == 3
    assert found["okxbot_task_seconds_count", "cycle", "cycle.probe"] == 9


def test_containers_with_the_same_process_ids_add_up(counters: Path, tmp_path: Path):
    for name in ("orchestrator", "trade"):
        shutil.copytree(counters, tmp_path / name)
    assert {path.name for path in (tmp_path / "trade").iterdir()} == {path.name for path in counters.iterdir()}
    found = {(s.name, *s.labels.values()): s.value for family in of_the_workers(tmp_path) for s in family.samples}
    assert found["okxbot_task_failures_total", "cycle", "cycle.probe"] == 6
    assert found["okxbot_task_seconds_count", "cycle", "cycle.probe"] == 18


def test_a_sample_holds_gauges_and_what_happened_since_the_last(counters: Path):
    def look() -> list:
        gauge = GaugeMetricFamily("okxbot_feed_lag_seconds", "", labels=("instrument", "channel"))
        gauge.add_metric(("BTC", "ticker"), 1)
        gauge.add_metric(("ETH", "ticker"), 4)
        return [gauge, *of_the_workers(counters)]

    samples = Samples()
    first = samples.of(look())
    assert first == {("feed_lag_s", "ticker"): 4}
    second = samples.of(look())
    assert (second["task_failures", "cycle"], second["tasks", "cycle"]) == (0, 0)
    fresh = Samples()
    fresh.of([])
    after = fresh.of(look())
    assert (after["task_failures", "cycle"], after["tasks", "cycle"]) == (3, 9)
    assert after["task_p95_s", "cycle"] > 0


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({1.0: 10, 2.0: 20, float("inf"): 20}, 1.9),
        ({1.0: 0, 2.0: 100, float("inf"): 100}, 1.95),
        ({1.0: 1, float("inf"): 100}, 1.0),
        ({1.0: 0, float("inf"): 0}, None),
        ({}, None),
    ],
)
def test_quantile_of_a_histogram(buckets, expected):
    found = quantile(0.95, buckets)
    assert found == (None if expected is None else pytest.approx(expected))


def test_samples_are_stored_and_old_ones_go(database_url: str):
    engine = build_engine(database_url, "tests")
    sessions, now = build_sessions(engine), datetime(2026, 1, 20, tzinfo=UTC)
    for at in (now - KEPT - timedelta(seconds=1), now - KEPT, now):
        with sessions.begin() as session:
            store(session, at, {("queue_depth", "opus"): 3.0})
    with sessions() as session:
        assert session.scalars(select(HealthSample.at).order_by(HealthSample.at)).all() == [now - KEPT, now]
    engine.dispose()
