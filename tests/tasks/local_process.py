"""What pytest-celery asks of a container, over a process of this machine.

The plugin's nodes (`CeleryTestBroker`, `CeleryTestWorker`) call `ready`, `status`, `kill`, `restart`, `reload`, `logs`
and `teardown`; here they reach a real server and real prefork workers. As with a container, SIGKILL takes everything in
it, any other signal only its first process. Each process leads its own session, as under the supervisor.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0


class LocalProcess:
    """One process and its children. `config` is what Celery needs to know of it, `url` and `host_url`."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        log: Path,
        is_ready: Callable[["LocalProcess"], bool],
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._argv, self._log, self._is_ready = argv, log, is_ready
        self._environment, self._folder, self._config = environment, folder, config or {}
        self._written = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._written = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
                cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def celeryconfig(self) -> dict[str, Any]:
        return dict(self._config)

    @property
    def id(self) -> str:
        return str(self.process.pid)

    @property
    def status(self) -> str:
        return "running" if self.process.poll() is None else "exited"

    def ready(self) -> bool:
        """Wait for it. Raises AssertionError with the log's end when it dies or takes too long."""
        deadline = monotonic() + READY_WITHIN_S
        while not self._is_ready(self):
            assert self.status == "running", f"{self.name} ended with {self.process.returncode}: {self.logs()[-2000:]}"
            assert monotonic() < deadline, f"{self.name} is not ready: {self.logs()[-2000:]}"
            sleep(0.05)
        return True

    def reload(self) -> None:
        """A container object would read its state anew; ours asks the system each time."""

    def logs(self) -> str:
        """What it wrote since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._written)
            return log.read().decode(errors="replace")

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal; after SIGKILL everything of it is gone."""
        number = _number(signal)
        if number is not _number("SIGKILL"):
            self.process.send_signal(number)
            return
        self.signal_group(number)
        self.process.wait(STOPS_WITHIN_S)

    def signal_group(self, number: int) -> None:
        """To the process and all its children, as a terminal's Ctrl-C would go."""
        os.killpg(self.process.pid, number)

    def wait(self, timeout: float = STOPS_WITHIN_S) -> int:
        """The exit code."""
        return self.process.wait(timeout)

    def children(self) -> list[int]:
        """Ids of its child processes."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def restart(self, timeout: float = STOPS_WITHIN_S) -> None:
        """Stop if it runs, start, wait until ready."""
        self.stop(timeout)
        self.start()
        self.ready()

    def stop(self, timeout: float = STOPS_WITHIN_S) -> None:
        if self.status == "running":
            self.signal_group(_number("SIGCONT"))
            self.kill("SIGTERM")
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()

    def teardown(self) -> None:
        self.stop()


def _number(name: str | int) -> signal.Signals:
    return signal.Signals[name] if isinstance(name, str) else signal.Signals(name)
