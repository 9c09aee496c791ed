"""What the processes of a bot count about their own work; the `metrics` service adds it all up.

With PROMETHEUS_MULTIPROC_DIR set (the supervisor sets it), every process writes memory-mapped files of its own there:
nothing is shared, nothing is lost by a `kill -9`, and a forked child has its own. Without it each counts for itself.
The files are named by process id, so services that do not share their process ids (containers) need a folder each.
Seconds are wall time.
"""

import os
from pathlib import Path

from prometheus_client import Counter, Histogram

SENT_AT = "sent_at"  # header of every task message: when it was published
if _folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    Path(_folder).mkdir(mode=0o700, exist_ok=True)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

TASK_SECONDS = Histogram(
    "okxbot_task_seconds", "Run time of a task.", ["queue", "task"], buckets=_SECONDS, registry=None
)
TASK_WAIT_SECONDS = Histogram(
    "okxbot_task_wait_seconds", "From a message's publication to the start of its task.", ["queue"], buckets=_SECONDS,
    registry=None,
)  # fmt: skip
TASK_FAILURES = Counter("okxbot_task_failures", "Tasks that raised.", ["queue", "task"], registry=None)
FEED_RECONNECTS = Counter(
    "okxbot_feed_reconnects", "Times a feed's socket had to be opened again.", ["service", "socket"], registry=None
)
