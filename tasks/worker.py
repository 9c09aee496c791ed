"""`python -m tasks.worker NAME`: one Celery worker as `celeryconfig.workers` describes it."""

import os
import sys

import celeryconfig


def main(name: str) -> int:
    """Run the worker until it is told to stop; exit code 0 after a clean drain."""
    worker = celeryconfig.workers.get(name)
    if worker is None:
        sys.stderr.write(f"okxbot: no worker {name!r}; there are {', '.join(celeryconfig.workers)}\n")
        return 2
    os.environ["OKXBOT_SERVICE"] = name
    # Only this queue's tasks are loaded: less memory, and nothing else can be asked of this process.
    celeryconfig.include = [worker.module]  # type: ignore[attr-defined]
    from tasks.app import app

    app.worker_main(
        [
            "--quiet",
            "worker",
            "-Q", worker.queue,
            "-n", f"{name}@okxbot",
            "-c", str(worker.children),
            "-P", "prefork",
            "--without-gossip",
            "--without-mingle",
            "-E",
            "--loglevel", "WARNING",
        ]
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
