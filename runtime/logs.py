"""Structured logs of every service: JSON lines, or readable ones on a terminal. Secrets are scrubbed on the way out.

`configure(service)` is the first call of every process. One correlation id (`cycle_id`) is bound by whoever works
on a cycle, so that `grep` follows a decision from candle to fill.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = re.compile(r"(api_?key|secret|passphrase|password|token|authorization|ok-access|sign)$", re.I)
SECRET_TEXT = (
    (re.compile(r"(://[^:/@\s]*:)[^@\s]+@"), r"\1***@"),
    (re.compile(r"sk-ant-[\w-]+|pplx-[\w-]+"), "***"),
    (re.compile(r"(Bearer\s+)\S+", re.I), r"\1***"),
    (re.compile(r"bot\d{6,}:[\w-]{20,}"), "bot***"),
)
_NOISY = (
    "httpx", "httpcore", "urllib3", "websocket", "apscheduler", "amqp", "kombu", "tornado.access", "celery.app.trace",
    "celery.worker.strategy", "celery.beat", "celery.worker.consumer.connection", "flower.command", "tornado.general",
)  # fmt: skip


def scrub(value: Any) -> Any:
    """`value` with anything that looks like a credential replaced by ***, containers included."""
    if isinstance(value, str):
        for pattern, replacement in SECRET_TEXT:
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {k: "***" if SECRET_NAMES.search(str(k)) and v else scrub(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(scrub(v) for v in value) if type(value) in (list, tuple) else value
    return value


def _scrub_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return scrub(dict(event))  # type: ignore[no-any-return]


def configure(service: str, level: str = "INFO", format_: str = "auto") -> None:
    """Send structlog's and the standard library's records to stdout, one line each, `service` in every line."""
    console = sys.stdout.isatty() if format_ == "auto" else format_ == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _scrub_event, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)
