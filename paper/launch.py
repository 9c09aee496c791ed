"""Start a paper exchange as a process of its own, wait until it answers, stop it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

STARTS_WITHIN_S = 30.0


class ExchangeDied(RuntimeError):
    """The process ended before it answered; carries what it wrote to stderr."""


@dataclass
class ExchangeProcess:
    """A served exchange. `account` holds uid, api_key, secret_key and passphrase."""

    data: Path
    arguments: list[str]
    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    account: dict[str, str] = field(default_factory=dict)
    # Without TLS verification set up: that alone would cost a tenth of a second a client.
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, timeout=300))

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where the ledger, the audit and faults are."""
        return f"http://127.0.0.1:{self.admin_port}"

    def _base(self, path: str) -> str:
        return self.admin_url if path.startswith("/paper/") else self.rest_url

    @property
    def ws_url(self) -> str:
        """Base of the sockets; append /public, /private or /business."""
        return f"ws://127.0.0.1:{self.port}/ws/v5"

    def get(self, path: str, /, **query: Any) -> Any:
        """A plain GET, e.g. `get("/paper/clock")`; what begins with /paper/ goes to the admin port."""
        return self._http.get(f"{self._base(path)}{path}", params=query).json()

    def post(self, path: str, body: Any) -> Any:
        return self._http.post(f"{self._base(path)}{path}", json=body).json()

    def clear_faults(self) -> None:
        """Forget the faults that wait."""
        self._http.delete(f"{self.admin_url}/paper/faults")

    def advance(self, bars: int = 1) -> Any:
        """Lockstep: play whole decision bars; the market clock afterwards."""
        return self.post("/paper/advance", {"bars": bars})

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self._http.close()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        self._http.close()
        return self.process.returncode

    def restart(self) -> "ExchangeProcess":
        """Start again on the same data and port; the process must have ended."""
        again = launch(self.data, self.arguments, port=self.port)
        self.process, self.admin_port, self._http = again.process, again.admin_port, again._http
        return self


def launch(data: Path, arguments: Sequence[str] = (), port: int = 0) -> ExchangeProcess:
    """Start `python -m paper --data DATA …` and wait until it answers. Raises ExchangeDied."""
    data.mkdir(parents=True, exist_ok=True)
    log, errors = data / "exchange.log", data / "exchange.err"
    written = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "paper", "--data", str(data), "--port", str(port), *arguments]
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    with log.open("ab") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True, env=environment)
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        found = _ports(log, written)
        if found:
            account = json.loads((data / "account.json").read_text())
            return ExchangeProcess(data, list(arguments), process, *found, account)
        if process.poll() is not None:
            raise ExchangeDied(f"exit {process.returncode}: {errors.read_text().strip()}")
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise ExchangeDied(f"no answer within {STARTS_WITHIN_S:.0f} s")


def _ports(log: Path, offset: int) -> tuple[int, int] | None:
    with log.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            if b'"exchange_started"' in line and line.endswith(b"\n"):
                started = json.loads(line)
                return int(started["port"]), int(started["admin_port"])
    return None
