"""Structured logs of every service: JSON lines, or readable ones on a terminal. Secrets are scrubbed on the way out.

`configure(service)` is the first call of every process. One correlation id (`cycle_id`) is bound by whoever works
on a cycle, so that `okxbot logs --cycle ID` follows a decision from candle to fill.

Scrubbed are values under a name that sounds secret, text that looks like a credential, and the very secrets of this
process: those of its settings and of its environment, wherever they turn up, tracebacks included.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

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


_own_secrets: list[str] = []
_SHORTEST = 6  # shorter ones would blot out ordinary words


def hide(secrets: Iterable[str]) -> None:
    """Replace these very texts in every line from now on; of a URL, its password."""
    for secret in secrets:
        hidden = urlsplit(secret).password if "://" in secret else secret
        for form in {hidden or "", unquote(hidden or "")}:
            if len(form) >= _SHORTEST and form not in _own_secrets:
                _own_secrets.append(form)
    _own_secrets.sort(key=len, reverse=True)


def _hide_the_environment() -> None:
    hide(value for name, value in os.environ.items() if SECRET_NAMES.search(name) or name.endswith("_URL"))
    hide(os.environ.get(name, "").partition(":")[2] for name in ("FLOWER_BASIC_AUTH", "METRICS_BASIC_AUTH"))


def scrub(value: Any) -> Any:
    """`value` with anything that looks like a credential replaced by ***, containers included."""
    if isinstance(value, str):
        for secret in _own_secrets:
            value = value.replace(secret, "***")
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


def configure(service: str, level: str = "INFO", format_: str = "auto", secrets: Iterable[str] = ()) -> None:
    """Send structlog's and the standard library's records to stdout, one line each, `service` in every line.

    `secrets` are texts that must never appear, besides those of the environment.
    """
    _hide_the_environment()
    hide(secrets)
    console = sys.stdout.isatty() if format_ == "auto" else format_ == "console"

    def named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Not a context variable: a thread begins without any."""
        event.setdefault("service", service)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        named,
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
