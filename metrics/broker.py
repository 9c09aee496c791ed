"""Celery's queues in Redis: how many messages wait, and how long the oldest has."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from redis import Redis

import celeryconfig
from metrics.families import Family, gauge, gauges
from runtime.counting import SENT_AT

_PREFIX = celeryconfig.broker_transport_options["global_keyprefix"]


def of_the_queues(broker: Redis, now: datetime) -> Iterable[Family]:
    """Depth and oldest age, wall seconds, of every queue; a queue that is empty has age 0."""
    pipe = broker.pipeline(transaction=False)
    for queue in celeryconfig.queue_policies:
        pipe.llen(f"{_PREFIX}{queue}")
        pipe.lindex(f"{_PREFIX}{queue}", -1)  # kombu pushes on the left and pops on the right
    answers: list[Any] = pipe.execute()
    depths, oldest = answers[::2], answers[1::2]
    names = [(queue,) for queue in celeryconfig.queue_policies]
    yield from gauges("okxbot_queue_depth", "Messages that wait.", ("queue",), dict(zip(names, depths, strict=True)))
    ages = {name: age for name, message in zip(names, oldest, strict=True) if (age := _age(message, now)) is not None}
    yield from gauges("okxbot_queue_oldest_seconds", "Since the oldest of them was published.", ("queue",), ages)


def of_the_server(redis: Redis) -> Iterable[Family]:
    """Memory and clients of Redis."""
    info: Any = redis.info()
    yield from gauge("okxbot_redis_bytes", "Memory in use by Redis.", float(info["used_memory"]))
    yield from gauge("okxbot_redis_clients", "Connections to Redis.", float(info["connected_clients"]))


def _age(message: bytes | None, now: datetime) -> float | None:
    """None where the message does not say when it was sent."""
    if message is None:
        return 0.0
    try:
        sent_at = json.loads(message)["headers"].get(SENT_AT)
    except (ValueError, KeyError, AttributeError):
        return None
    return None if sent_at is None else max(0.0, now.timestamp() - float(sent_at))
