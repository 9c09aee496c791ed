"""The Celery application. A worker that does not name its queues is refused."""

import gc
import os
import signal
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_before_create_process,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutdown,
)

import celeryconfig
import runtime.sent_at  # noqa: F401 - stamps every message
from runtime.logs import configure
from settings import load_settings

MODEL_SERVICES = ("haiku", "opus", "perplexity", "reflection")

app = Celery("okxbot")
app.config_from_object(celeryconfig)


@celeryd_init.connect
def refuse_unnamed_queues(instance: Any = None, options: dict[str, Any] | None = None, **_: Any) -> None:
    """A worker that would take every queue could let a stop wait behind a decision."""
    if not (options or {}).get("queues"):
        raise SystemExit("okxbot: a worker must name its queues (-Q trade, …); see workers in celeryconfig.py")


@setup_logging.connect
def own_logging(**_: Any) -> None:
    """Keep Celery from configuring logging over ours."""
    settings = load_settings()
    service = os.environ.get("OKXBOT_SERVICE", "worker")
    configure(service, settings.log_level, settings.log_format, settings.secret_values)


@worker_init.connect
def import_first(**_: Any) -> None:
    """The model SDKs take seconds to import: done here, no call's deadline pays for it."""
    service = os.environ.get("OKXBOT_SERVICE", "")
    if service in MODEL_SERVICES:
        from brain.build import warm

        warm(load_settings(), service)


@worker_before_create_process.connect
def keep_pages_shared(**_: Any) -> None:
    """Import what each child would import for itself, and never collect what exists before the fork.

    The collector's marks would copy every page into each child.
    """
    from billiard.util import get_pdeathsig

    with suppress(OSError):
        get_pdeathsig()  # the first call parses C declarations; Celery makes it in every child
    if os.environ.get("OKXBOT_SERVICE", "") not in MODEL_SERVICES:
        import psycopg2.extras  # noqa: F401 - the driver SQLAlchemy loads with the first connection
        import sqlalchemy.dialects.postgresql.psycopg2  # noqa: F401
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def start_child(**_: Any) -> None:
    """In a prefork child: ignore signals meant for the group, and open this process's own connections."""
    # The parent drains its children on SIGTERM; a group signal must not kill one in mid-call.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _connect()


def _connect() -> None:
    """Build the context before the first task, so that the first decision is not the slowest.

    Failing here is no failure: the first task tries again and reports it.
    """
    import structlog

    from exchange.errors import CredentialsMissing, ReadFailed

    service = os.environ.get("OKXBOT_SERVICE", "")
    try:
        if service == "orchestrator":
            from tasks.pipeline_context import pipeline_context

            pipeline_context()
        elif service in ("trade", "protect", "account"):
            from tasks.context import execution_context

            execution_context()
    except (ReadFailed, CredentialsMissing, OSError) as error:
        structlog.get_logger().warning("warm_up_failed", error=str(error))


@worker_ready.connect
def first_line(**_: Any) -> None:
    """Say that messages are taken from now on: `orchestrator_started`, `trade_started`, …"""
    import structlog

    structlog.get_logger().info(f"{os.environ.get('OKXBOT_SERVICE', 'worker')}_started")


@worker_ready.connect
def connect_threads(**_: Any) -> None:
    """A worker of threads has no child to do it: its process connects itself."""
    worker = celeryconfig.workers.get(os.environ.get("OKXBOT_SERVICE", ""))
    if worker is not None and worker.pool == "threads":
        _connect()


@worker_shutdown.connect
def leave_nothing_on_the_book(**_: Any) -> None:
    """Entries that rest are tended by the `trade` worker: they go when it goes. Its child has ended by now."""
    if os.environ.get("OKXBOT_SERVICE") != "trade":
        return
    import structlog
    from sqlalchemy.exc import DBAPIError

    from exchange.errors import CredentialsMissing, ReadFailed
    from execution.errors import Refused
    from execution.resting import withdraw
    from tasks.context import execution_context

    try:
        withdraw(execution_context(), "the bot is stopping")
    except (ReadFailed, CredentialsMissing, Refused, DBAPIError, OSError) as error:
        # At the next start reconciliation finds it, and the first look at it judges it by its age.
        structlog.get_logger().warning("resting_entries_not_withdrawn", error=str(error))


@worker_shutdown.connect
def last_line(**_: Any) -> None:
    """The log's last line of a worker."""
    import structlog

    structlog.get_logger().info("shutdown_complete")
