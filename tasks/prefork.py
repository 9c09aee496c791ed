"""Celery's prefork pool, looking for dead children four times a second.

A child that is killed closes its pipe a moment before the kernel lets it be waited for. The pool looks once, too early,
and then only every five seconds (celery/celery#9588): for so long a `protect` worker of one child would place no stop.
"""

from collections.abc import Callable

from celery.concurrency import asynpool, prefork

LOOK_EVERY_S = 0.25


class _Pool(asynpool.AsynPool):  # type: ignore[misc]
    @property
    def timers(self) -> dict[Callable[[], None], float]:
        return {self.maintain_pool: LOOK_EVERY_S}


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """`prefork`, in everything else."""

    Pool = _Pool
