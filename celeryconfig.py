"""Celery's settings, and as data: the queues with their policies, the workers, and beat's ticks.

No setting here gives at-most-once: the compare-and-set row in PostgreSQL does. The policies below are the second
line. A message carries ids only; losing one costs time (the sweep re-sends it), never truth.
"""

from dataclasses import dataclass

from kombu import Queue

from secret_files import secret


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How often and how long the work of a queue may be tried. `once`: nothing is ever repeated by Celery."""

    tries: int
    total_s: float | None
    once: bool = False


queue_policies = {
    "cycle": QueuePolicy(tries=3, total_s=None),
    "haiku": QueuePolicy(tries=3, total_s=6),
    "opus": QueuePolicy(tries=3, total_s=30),
    "reflection": QueuePolicy(tries=3, total_s=None),
    "perplexity": QueuePolicy(tries=3, total_s=15),
    "trade": QueuePolicy(tries=1, total_s=None, once=True),
    "protect": QueuePolicy(tries=1, total_s=None, once=True),
    "account": QueuePolicy(tries=3, total_s=None),
}


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker: what it consumes, which task module it loads (its own only), and how it runs tasks.

    `prefork` where tasks compute or change the exchange (their acknowledgement is early in fact, and a crash takes
    one child along); `threads` where they mostly wait: one process instead of several. Never `solo`, which
    acknowledges late.
    """

    queue: str
    module: str
    pool: str
    concurrency: int


workers = {
    "orchestrator": Worker("cycle", "tasks.cycle", "prefork", 2),
    "haiku": Worker("haiku", "tasks.haiku", "threads", 3),
    "opus": Worker("opus", "tasks.opus", "threads", 6),  # enough for all instruments at once
    "perplexity": Worker("perplexity", "tasks.perplexity", "threads", 3),
    "reflection": Worker("reflection", "tasks.reflection", "threads", 1),
    "trade": Worker("trade", "tasks.trade", "prefork", 1),
    "protect": Worker("protect", "tasks.protect", "prefork", 1),
    "account": Worker("account", "tasks.account", "threads", 3),
}

broker_url = secret("CELERY_BROKER_URL") or "redis://127.0.0.1:6379/1"
task_queues = [Queue(name) for name in queue_policies]
task_create_missing_queues = False
# A task's name begins with its queue: `trade.submit` runs on `trade`.
task_routes = {f"{name}.*": {"queue": name} for name in queue_policies}
task_default_queue = "cycle"

task_serializer = "json"
accept_content = ["json"]
result_backend = None
task_ignore_result = True
enable_utc = True
timezone = "UTC"

# Early acknowledgement everywhere: a message is a hint, and the sweep repeats hints.
task_acks_late = False
task_reject_on_worker_lost = False
task_retry_on_worker_lost = False
task_publish_retry = False  # a lost reply would publish twice; the outbox decides what is sent again
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_send_task_events = True
task_send_sent_event = True
worker_soft_shutdown_timeout = 0
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # for ever: a worker that gives up is a bot that stands still
broker_transport_options = {
    "visibility_timeout": 3600,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "global_keyprefix": "okxbot:",
    "queue_order_strategy": "round_robin",
}

# Beat only says "look": every job takes its slot by a unique row, so a second beat or a late tick changes nothing.
beat_max_loop_interval = 5


def _tick(task: str, seconds: float) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 2)}}


beat_schedule = {
    "decision-cycles": _tick("cycle.due", 1),
    "sweep": _tick("cycle.sweep", 2),
    "protection": _tick("protect.check", 2),
    "tending": _tick("trade.tend", 2),
    "resolve-unknown": _tick("account.resolve", 2),
    "reconcile": _tick("account.reconcile_due", 10),
    "invariants": _tick("account.invariants", 10),
    "clock-skew": _tick("account.clock_skew", 30),
    "snapshots": _tick("account.snapshots_due", 2),
    "reflection-checks": _tick("reflection.due", 10),
}
