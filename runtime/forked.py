"""Services in Python are forked from the supervisor instead of started anew: what they have in common is imported once.

Contract: `preload()` imports it, before anything is forked; `program(argv)` says whether a command is such a service;
`become(...)`, in a forked child, runs it as `python -m MODULE …` would and never returns. The child has default signal
handlers and the environment it was given, and its own name (`ps`, `top`: `trade`, `market-feed`, …), by which
`runtime.leftovers` knows it: /proc shows a forked process the environment of its parent.
Half of the memory and nearly all of the time of a start are saved; a service that dies is back at once. New code is
read when the whole bot is started, not when one service is. On Linux only: elsewhere commands are started as they are.
"""

import atexit
import gc
import importlib
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

# What more than one service imports. None of it reads the environment, opens a file or starts a thread.
COMMON = (
    "celery.worker.worker", "celery.worker.consumer", "celery.concurrency.prefork", "celery.concurrency.thread",
    "celery.beat", "kombu.transport.redis", "hiredis", "redis", "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2", "httpx", "okx", "pydantic_settings", "orjson", "structlog", "numpy",
    "talib", "settings", "models", "exchange.client", "exchange.websocket", "exchange.market_cache",
    "execution.reconcile", "execution.submit", "execution.protection", "pipeline.runner",
)  # fmt: skip
# TA-Lib would import it to accept its columns, and it pyarrow; ours are numpy's.
HEAVY = ("pandas", "polars")


@dataclass(frozen=True)
class Program:
    module: str
    arguments: tuple[str, ...]


def program(argv: Sequence[str]) -> Program | None:
    """The Python module a command runs; None for every other command, and where a fork alone is not enough."""
    if sys.platform != "linux" or len(argv) < 3 or argv[0] != sys.executable or argv[1] != "-m":
        return None
    return Program(argv[2], tuple(argv[3:]))


def preload() -> list[str]:
    """Import what services share; returns what could not be imported (its services will say why)."""
    hidden = [name for name in HEAVY if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    missing = []
    for name in COMMON:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    for name in hidden:
        del sys.modules[name]
    # The collector's marks would copy every page into each child.
    gc.collect()
    gc.freeze()
    return missing


def name_process(name: str) -> None:
    """What `ps -e` and `top` show; the kernel keeps fifteen characters."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name[:15])


def become(this: Program, name: str, environment: Mapping[str, str]) -> NoReturn:
    """Run the program in this forked process, then end it."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        name_process(name)
        _default_signals()
        sys.argv = [this.module, *this.arguments]
        runpy.run_module(this.module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _status_of(end)
    except BaseException:  # noqa: BLE001 - as the interpreter itself would
        traceback.print_exc()
    finally:
        _leave(status)


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _status_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    sys.stderr.write(f"{end.code}\n")
    return 1


def _leave(status: int) -> NoReturn:
    """As the interpreter ends, but without tearing down what is the supervisor's."""
    try:
        threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)
