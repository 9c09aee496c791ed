"""`okxbot exchange`: the exchange alone, as somebody with another client starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from paper.faults import MENU

COMMAND = [sys.executable, "-m", "cli.main", "exchange"]


def test_faults_are_listed() -> None:
    done = subprocess.run([*COMMAND, "faults"], capture_output=True, text=True, timeout=60, check=True)
    listed = [line.split(" ", 1)[0] for line in done.stdout.splitlines()[1 : len(MENU) + 1]]
    assert listed == list(MENU)


def started(lines: Any) -> dict[str, Any]:
    for line in lines:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "exchange_started":
            return event
    raise AssertionError("ended without having started")


def test_fault_can_be_ordered_from_the_one_that_stands_alone(tmp_path: Path) -> None:
    arguments = ["--port", "0", "--admin-port", "0", "--speed", "lockstep", "--data", str(tmp_path / "x")]
    environment = {**os.environ, "OKXBOT_HOME": str(tmp_path / "home")}
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            ports = started(process.stdout)
            url = f"http://127.0.0.1:{ports['port']}/api/v5/public/time"
            faults = f"http://127.0.0.1:{ports['admin_port']}/paper/faults"
            fault = httpx.post(faults, json={"name": "50013", "path": "public/time"}).json()["fault"]
            assert (fault["number"], fault["code"]) == (1, "50013")
            assert [httpx.get(url).json()["code"] for _ in range(2)] == ["50013", "0"]
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_main_port_shows_no_more_than_the_clock(tmp_path: Path) -> None:
    arguments = ["--port", "0", "--admin-port", "0", "--speed", "60", "--data", str(tmp_path / "x")]
    environment = {**os.environ, "OKXBOT_HOME": str(tmp_path / "home")}
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            base = f"http://127.0.0.1:{started(process.stdout)['port']}/paper"
            assert httpx.get(f"{base}/clock").json()["speed"] == 60
            assert httpx.post(f"{base}/advance", json={"bars": 1}).status_code == 409
            assert httpx.get(f"{base}/ledger").status_code == 404
        finally:
            process.terminate()
