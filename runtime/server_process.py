"""A server run as our own child, in the foreground: for tests, benchmarks and commands on a stopped bot.

Contract: `start()` returns once it answers, or raises `OperatorError` with the last lines it wrote; `stop()` returns
when it has ended. It is in a process group of its own: a Ctrl-C meant for us does not reach it. Times are wall seconds.
"""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.errors import OperatorError, file_trouble

_ENDS_WITHIN = 30


class ServerProcess:
    """`wait_until_ready(timeout)` raises `OperatorError` when the server does not answer in time."""

    def __init__(
        self,
        log: Path,
        wait_until_ready: Callable[[float, Callable[[], None]], None],
        stop_signal: signal.Signals,
        spawn_options: dict[str, Any] | None = None,
    ) -> None:
        self._log = log
        self._wait_until_ready = wait_until_ready
        self._stop_signal = stop_signal
        self._spawn_options = spawn_options or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, argv: list[str], within: float = 20) -> None:
        with file_trouble("write", self._log), self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0, **self._spawn_options
            )
        try:
            self._wait_until_ready(within, self._refuse_if_ended)
        except OperatorError as trouble:
            self.stop()
            tail = self._log.read_text(errors="replace").splitlines()[-3:]
            raise OperatorError(f"{trouble}; the server said: {' / '.join(tail)}") from None
        except KeyboardInterrupt:
            self.stop()
            raise

    def _refuse_if_ended(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise OperatorError(f"it ended at once, status {self._process.returncode}")

    def stop(self, how: signal.Signals | None = None) -> None:
        if self._process is not None:
            self._process.send_signal(how or self._stop_signal)
            self._process.wait(_ENDS_WITHIN)
            self._process = None
