"""Every registered task has the queue and the policy its name promises."""

import importlib
import os
import subprocess
import sys

import pytest
from celery.concurrency import get_implementation, prefork

import celeryconfig
from tasks.app import app
from tasks.policies import ModelTask, OnceTask, RepeatableTask
from tasks.worker import POOLS

POLICY_OF_QUEUE = {
    "cycle": RepeatableTask,
    "account": RepeatableTask,
    "haiku": ModelTask,
    "opus": ModelTask,
    "perplexity": ModelTask,
    "reflection": ModelTask,
    "trade": OnceTask,
    "protect": OnceTask,
}
for worker in celeryconfig.workers.values():
    importlib.import_module(worker.module)
# Not Celery's own, nor what the pytest plugin shares with every application.
OURS = sorted(name for name, task in app.tasks.items() if task.__module__.startswith("tasks."))


def test_every_queue_has_tasks_and_exactly_one_worker():
    assert {name.split(".")[0] for name in OURS} == set(celeryconfig.queue_policies)
    assert sorted(w.queue for w in celeryconfig.workers.values()) == sorted(celeryconfig.queue_policies)


@pytest.mark.parametrize("name", OURS)
def test_task_goes_to_its_queue_under_its_policy(name: str):
    queue = name.split(".")[0]
    task = app.tasks[name]
    assert app.amqp.router.route({}, name)["queue"].name == queue
    assert isinstance(task, POLICY_OF_QUEUE[queue])
    assert task.ignore_result
    assert not task.acks_late
    assert not task.reject_on_worker_lost
    if celeryconfig.queue_policies[queue].once:
        assert task.max_retries == 0
        assert not getattr(task, "autoretry_for", ())


def test_flower_hears_of_what_was_asked_for_and_not_of_beats_ticks():
    ticks = {entry["task"] for entry in celeryconfig.beat_schedule.values()}
    assert {name for name in OURS if not app.tasks[name].send_events} == ticks & set(OURS)


@pytest.mark.parametrize("options", [{"countdown": 1}, {"eta": "2030-01-01T00:00:00Z"}, {"link": "x"}])
def test_a_task_that_changes_the_exchange_takes_no_delay_and_no_chain(options: dict):
    with pytest.raises(ValueError, match="takes no countdown"):
        app.tasks["trade.submit"].apply_async((1,), **options)


def test_trade_and_protect_have_one_child_and_their_own_process():
    for name in ("trade", "protect"):
        assert (celeryconfig.workers[name].pool, celeryconfig.workers[name].concurrency) == ("prefork", 1)
    # solo acknowledges late, in effect
    assert {worker.pool for worker in celeryconfig.workers.values()} == {"prefork", "threads"}


def test_a_dead_child_is_replaced_long_before_a_position_may_be_uncovered():
    pool = get_implementation(POOLS["prefork"])
    assert issubclass(pool, prefork.TaskPool)
    assert max(pool.Pool.timers.fget(pool.Pool).values()) < 1


def test_ticks_of_beat_are_registered_tasks_that_expire():
    for entry in celeryconfig.beat_schedule.values():
        assert entry["task"] in OURS
        assert entry["options"]["expires"] > 0


def test_broker_settings_never_repeat_a_publish_and_never_give_up():
    assert celeryconfig.task_publish_retry is False
    assert celeryconfig.broker_connection_max_retries is None
    assert "retry_on_timeout" not in celeryconfig.broker_transport_options
    assert celeryconfig.accept_content == ["json"]


def test_worker_without_named_queues_is_refused(checkout, redis_server):
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks.app", "worker", "-c", "1"],
        cwd=checkout, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"CELERY_BROKER_URL": redis_server.broker_url, "C_FORCE_ROOT": "1"},
    )  # fmt: skip
    assert done.returncode != 0
    assert "must name its queues" in done.stdout + done.stderr


def test_unknown_worker_is_named_in_one_line(checkout):
    done = subprocess.run(
        [sys.executable, "-m", "tasks.worker", "nobody"],
        cwd=checkout, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("okxbot: no worker 'nobody'; there are orchestrator")
