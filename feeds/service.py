"""What every feed process shares: logs, settings, signals, the ready file, one clear line for anticipated
trouble.

A feed is something with `start`, `stop` and `healthy`. `run` returns the exit code: 0 after SIGTERM or
SIGINT, 2 for trouble an operator can mend, 1 when the feed broke (the supervisor restarts it).
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy.exc import OperationalError

from exchange.errors import CredentialsMissing, ReadFailed
from execution.errors import Refused
from runtime.logs import configure
from settings import AnySettings, SettingsError, load_settings

logger = structlog.get_logger()


class Feed(Protocol):
    """A long-lived worker."""

    def start(self) -> None:
        """Begin; returns at once."""

    def healthy(self) -> bool:
        """Whether all its threads still work."""

    def stop(self) -> None:
        """End everything within a few seconds."""


def announce_ready() -> None:
    """Touch the file by which `okxbot up` learns that this service is ready."""
    path = os.environ.get("OKXBOT_READY_FILE")
    if path:
        Path(path).touch()


def redis_url(settings: AnySettings) -> str:
    """REDIS_URL. Raises SettingsError when it is not set."""
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL: is required by the feeds; `okxbot up` sets it")
    return settings.redis_url.get_secret_value()


def broker_url(settings: AnySettings) -> str:
    """CELERY_BROKER_URL. Raises SettingsError when it is not set."""
    if settings.celery_broker_url is None:
        raise SettingsError("CELERY_BROKER_URL: is required by the feeds; `okxbot up` sets it")
    return settings.celery_broker_url.get_secret_value()


def database_url(settings: AnySettings) -> str:
    """DATABASE_URL. Raises SettingsError when it is not set."""
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL: is required by the feeds; `okxbot up` sets it")
    return settings.database_url.get_secret_value()


def run(service: str, build: Callable[[AnySettings], Feed]) -> int:
    """Run a feed until a signal comes or it breaks."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    configure(service)
    try:
        settings = load_settings()
        configure(service, settings.log_level, settings.log_format, settings.secret_values)
        feed = build(settings)
    except (SettingsError, CredentialsMissing, ReadFailed, Refused) as trouble:
        logger.error("start_refused", reason=str(trouble))
        return 2
    except OperationalError as trouble:
        logger.error("start_refused", reason=f"PostgreSQL does not answer: {trouble.orig}")
        return 2
    feed.start()
    while not stopping.wait(0.5):
        if not feed.healthy():
            logger.error("feed_broken", reason="a thread ended unexpectedly")
            feed.stop()
            logger.info("shutdown_complete")
            return 1
    feed.stop()
    logger.info("shutdown_complete")
    return 0
