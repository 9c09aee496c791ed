"""`python -m tasks.worker NAME`: one Celery worker as `celeryconfig.workers` describes it.

Started without Celery's command line: that imports every command and plugin, 25 MB a worker.
"""

import os
import sys

import celeryconfig

# TA-Lib imports pandas wherever it is installed, and pandas pyarrow, to accept their columns; ours are numpy's.
# 60 MB in each process of this worker.
WITHOUT = {"orchestrator": ("pandas", "polars")}

POOLS = {"prefork": "tasks.prefork:TaskPool", "threads": "threads"}


def main(name: str) -> int:
    """Run the worker until it is told to stop; exit code 0 after a clean drain."""
    worker = celeryconfig.workers.get(name)
    if worker is None:
        sys.stderr.write(f"okxbot: no worker {name!r}; there are {', '.join(celeryconfig.workers)}\n")
        return 2
    os.environ["OKXBOT_SERVICE"] = name
    # structlog imports rich wherever it is installed; a worker's log is JSON.
    for unwanted in ("rich", *WITHOUT.get(name, ())):
        sys.modules[unwanted] = None  # type: ignore[assignment]
    # Only this queue's tasks are loaded: less memory, and nothing else can be asked of this process.
    celeryconfig.include = [worker.module]  # type: ignore[attr-defined]
    from tasks.app import app

    instance = app.Worker(
        hostname=f"{name}@okxbot",
        queues=[worker.queue],
        concurrency=worker.concurrency,
        pool=POOLS[worker.pool],
        task_events=True,
        without_gossip=True,
        without_mingle=True,
        loglevel="WARNING",
        quiet=True,
    )
    instance.start()
    return int(instance.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
