"""Sends task messages by name, never importing a task. A failure is logged and forgotten: beat and the sweep
repeat.

`send` returns in about a millisecond once warm. It never raises into a feed and never repeats a message.
"""

import structlog
from celery import Celery
from kombu.exceptions import KombuError

import runtime.sent_at  # noqa: F401 - stamps every message

logger = structlog.get_logger()

# A broker that is away must not hold up a feed: kombu would try to connect for many seconds.
NO_INSISTING = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


class Dispatcher:
    """A producer-only Celery application. Thread-safe."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("feeds")
        self._app.config_from_object("celeryconfig")
        # The event of a sent task costs a second round trip on the way from candle to order.
        options = {**self._app.conf.broker_transport_options, **NO_INSISTING}
        self._app.conf.update(broker_url=broker_url, task_send_sent_event=False, broker_transport_options=options)

    def warm(self) -> bool:
        """Open the connection now rather than with the first candle."""
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                producer.connection.ensure_connection(max_retries=1, timeout=5)
                producer.channel  # noqa: B018 - opening it is the point
        except (KombuError, OSError) as error:
            logger.warning("dispatch_not_ready", error=type(error).__name__)
            return False
        return True

    def send(self, task: str, *args: object) -> bool:
        """Publish `task` with `args` on the queue its name begins with. False when it could not be sent."""
        return self.publish(task, task.partition(".")[0], list(args))

    def publish(self, task: str, queue: str, args: list[object]) -> bool:
        """Like `send`, the queue named: the shape `ExecutionContext.send` wants."""
        try:
            self._app.send_task(task, args=args, queue=queue, retry=False, ignore_result=True)
        except (KombuError, OSError) as error:
            logger.warning("dispatch_failed", task=task, error=type(error).__name__)
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
