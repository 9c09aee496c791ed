"""One base task per retry policy; the decorator of a task shows which one holds, and a test checks it for all.

`RepeatableTask`: safe to run twice. A stage's tries are claims with a not-before, a read's are in `exchange.retry`,
and a job is asked for again by beat's next tick: Celery itself never repeats.
`ModelTask`: like it, but the tries live inside the stage, under one deadline; Celery itself never repeats.
`OnceTask`: changes the exchange. Never retried, never redelivered, result ignored.

What beat asks for every second or two has `send_events=False`: Flower shows decisions and orders, not a dozen ticks a
second, and the workers that take orders are spared the messages.
"""

import inspect
import time
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore

from runtime.counting import SENT_AT, TASK_FAILURES, TASK_SECONDS, TASK_WAIT_SECONDS
from trading.clock import wall_now

logger = structlog.get_logger()


class LoggedTask(Task):  # type: ignore[misc]
    """Binds the task to every log line it causes, counts and times it, and reports failures once."""

    abstract = True
    ignore_result = True
    acks_late = False
    reject_on_worker_lost = False
    max_retries = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        started, queue = time.monotonic(), self.name.partition(".")[0]
        if sent_at := self.request.get(SENT_AT):
            TASK_WAIT_SECONDS.labels(queue).observe(max(0.0, wall_now().timestamp() - float(sent_at)))
        marks = {"task": self.name, "task_id": self.request.id, **self._subject(args)}
        with structlog.contextvars.bound_contextvars(**marks):
            try:
                return super().__call__(*args, **kwargs)
            except Exception:
                TASK_FAILURES.labels(queue, self.name).inc()
                raise
            finally:
                elapsed = time.monotonic() - started
                TASK_SECONDS.labels(queue, self.name).observe(elapsed)
                if elapsed > 1:
                    logger.info("task_slow", seconds=round(elapsed, 3))

    def _subject(self, args: tuple[Any, ...]) -> dict[str, Any]:
        """What the task is about, for the log: its arguments that are ids, by name (`cycle_id`, `order_id`, …)."""
        names = inspect.signature(self.run).parameters
        return {name: value for name, value in zip(names, args, strict=False) if name.endswith("_id")}

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        logger.error("task_failed", task=self.name, task_id=task_id, args=args, error=repr(exc), exception=str(einfo))


class RepeatableTask(LoggedTask):
    """Safe to repeat: stages guard themselves by claims, jobs by their slot."""

    abstract = True
    policy = "repeatable"


class ModelTask(LoggedTask):
    """Calls a model: tries, backoff and the total deadline belong to the stage."""

    abstract = True
    policy = "model"


class OnceTask(LoggedTask):
    """Changes the exchange. A second delivery finds nothing to claim; Celery itself never makes one."""

    abstract = True
    policy = "once"

    def retry(self, *_: Any, **__: Any) -> Any:
        """A mutation is never retried."""
        raise Ignore("a task that changes the exchange is never retried")

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """No delay, no chain, no retry of the publish: the row in PostgreSQL decides what runs."""
        if options.get("countdown") or options.get("eta") or options.get("link"):
            raise ValueError(f"{self.name} takes no countdown, eta or link")
        return super().apply_async(*args, **{**options, "retry": False})
