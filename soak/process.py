"""One worker process of the bot in a session of its own, so that it can be killed whole, in part, or stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep

CHECKOUT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 60.0


class WorkerProcess:
    """`python -m tasks.worker NAME`, its log in `folder`. Raises TimeoutError when it does not get ready."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._environment = {**os.environ, **environment}
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        """Start it and, unless told otherwise, wait until it takes messages."""
        self._written = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tasks.worker", self.name], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, cwd=CHECKOUT, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        deadline = monotonic() + READY_WITHIN_S
        while f'"{self.name}_started"' not in self.log():
            if not self.alive or monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not start: {self.log()[-1500:]}")
            sleep(0.05)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What it wrote since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._written)
            return log.read().decode(errors="replace")

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def signal_group(self, number: int) -> None:
        """To the process and all its children, as a terminal's Ctrl-C would go."""
        os.killpg(self.process.pid, number)

    def ensure(self) -> None:
        """Running and not stopped, whatever was done to it."""
        if not self.alive:
            self._reap()
            self.start()
            return
        self.signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """Everything of it gone at once."""
        self._reap()
        self.process.wait(20)

    def stop(self) -> int:
        """Told to end; the exit code."""
        if self.alive:
            self.signal_group(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._reap()
        return self.process.returncode

    def _reap(self) -> None:
        try:
            self.signal_group(signal.SIGKILL)
        except ProcessLookupError:
            return
