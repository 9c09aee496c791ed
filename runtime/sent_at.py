"""Every Celery message says when it was published, so that a queue's oldest message has an age.

Importing this module is enough; producers of messages do (`tasks.app`, `feeds.dispatch`).
"""

from typing import Any

from celery.signals import before_task_publish

from runtime.counting import SENT_AT
from trading.clock import wall_now


@before_task_publish.connect
def stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Write the header, seconds since 1970."""
    if headers is not None:
        headers[SENT_AT] = wall_now().timestamp()
