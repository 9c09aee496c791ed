"""Flower as it is started: nothing without the password, nothing but looking with it, and what it saw is kept."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

from runtime.ports import free_port

USER = ("okxbot", "a long password")


@contextmanager
def flower(broker_url: str, home: Path) -> Iterator[httpx.Client]:
    port, ready = free_port(), home / "ready"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.flower"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"CELERY_BROKER_URL": broker_url, "FLOWER_PORT": str(port), "OKXBOT_HOME": str(home),
                          "FLOWER_BASIC_AUTH": ":".join(USER), "OKXBOT_READY_FILE": str(ready)},
    )  # fmt: skip
    deadline = monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, process.communicate()[0]
        assert monotonic() < deadline
        sleep(0.05)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
        yield client
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[0]
    assert "shutdown_complete" in said
    assert "Traceback" not in said


def test_nothing_without_the_password_and_only_looking_with_it(broker_url: str, tmp_path: Path):
    with flower(broker_url, tmp_path) as client:
        for path in ("/", "/workers", "/tasks", "/api/workers", "/api/tasks"):
            assert client.get(path).status_code == 401, path
            assert client.get(path, auth=("okxbot", "guessed")).status_code == 401, path
        assert client.get("/metrics").status_code == 404, "Flower's own, which asks for no password, is not there"
        page = client.get("/workers", auth=USER)
        assert page.status_code == 200
        assert "Flower" in page.text
        assert client.get("/api/tasks", auth=USER).json() == {}
        for path in ("/api/task/async-apply/protect.check", "/api/task/send-task/trade.submit",
                     "/api/worker/shutdown/trade@okxbot", "/api/task/revoke/x"):  # fmt: skip
            assert client.post(path, auth=USER, json={"args": [1]}).status_code == 403, path
        assert client.post("/api/task/send-task/trade.submit", json={"args": [1]}).status_code == 401
    assert list((tmp_path / "flower").iterdir()), "what it saw is kept"


def test_a_memory_broken_by_a_crash_is_left_behind(broker_url: str, tmp_path: Path):
    (tmp_path / "flower").mkdir()
    (tmp_path / "flower" / "seen").write_bytes(b"\0 half written")
    with flower(broker_url, tmp_path) as client:
        assert client.get("/workers", auth=USER).status_code == 200
