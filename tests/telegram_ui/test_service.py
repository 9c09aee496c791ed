"""The service as a process: says who may, waits for Telegram, survives kill -9, ends in order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import select

from models import Alert
from runtime.ports import free_port
from standins.telegram_api import TOKEN
from tests.telegram_ui.conftest import OWNER, alone
from trading.clock import wall_now


@pytest.fixture
def start(seeded, api, tmp_path, database_url):
    """Start the real service over the seeded week; its environment may be changed."""
    (tmp_path / "account.json").write_text(json.dumps({"api_key": "k", "secret_key": "s", "passphrase": "p"}))
    started = []

    def go(**changed):
        environ = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {
            "OKXBOT_HOME": str(tmp_path), "DATABASE_URL": database_url, "OKX_REST_URL": "http://127.0.0.1:9",
            "PAPER_ACCOUNT_FILE": str(tmp_path / "account.json"), "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_BASE_URL": api.url, "TELEGRAM_ADMIN_IDS": str(OWNER), "TELEGRAM_COOLDOWN_S": "0",
            **changed,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "telegram_ui"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield go
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process, sent=signal.SIGTERM):
    """Exit code and log after a signal."""
    process.send_signal(sent)
    out, _ = process.communicate(timeout=30)
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def test_it_answers_and_ends_in_order(start, api):
    process = start()
    api.hear(OWNER, "/start")
    api.wait(lambda: any("You may look and act" in text for text in alone(api)), 30)
    code, log = ended(process)
    assert code == 0
    assert "telegram_bot_started" in [line["event"] for line in log]
    assert log[-1]["event"] == "shutdown_complete"
    assert TOKEN not in str(log)


def test_it_waits_for_a_telegram_that_is_away(start, api):
    process = start(TELEGRAM_BASE_URL="http://127.0.0.1:9", TELEGRAM_ADMIN_IDS="")
    assert "telegram_nobody_allowed" in process.stdout.readline(), "its first words: it runs"
    time.sleep(3)
    assert process.poll() is None
    code, log = ended(process)
    assert (code, log[-1]["event"]) == (0, "shutdown_complete")


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_webhook_hears_only_who_knows_its_secret_and_is_taken_down_by_polling(start, api):
    port = free_port()
    process = start(
        TELEGRAM_WEBHOOK_URL="https://bot.example.org/hook/okxbot", TELEGRAM_WEBHOOK_LISTEN=f"127.0.0.1:{port}"
    )
    api.wait(lambda: api.webhook, 30)
    api.wait(lambda: listens(port), 10)  # Telegram is told a moment before
    assert api.webhook["url"] == "https://bot.example.org/hook/okxbot"
    assert json.loads(api.webhook["allowed_updates"]) == ["message", "callback_query"]
    update = {
        "update_id": 9001,
        "message": {
            "message_id": 1,
            "date": int(wall_now().timestamp()),
            "text": "/start",
            "from": {"id": OWNER, "is_bot": False, "first_name": "o"},
            "chat": {"id": OWNER, "type": "private"},
        },
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert client.post("/hook/okxbot", json=update).status_code == 403
        forged = {"X-Telegram-Bot-Api-Secret-Token": "guessed"}
        assert client.post("/hook/okxbot", json=update, headers=forged).status_code == 403
        assert client.post("/elsewhere", json=update).status_code == 404
        known = {"X-Telegram-Bot-Api-Secret-Token": api.webhook["secret_token"]}
        for _ in range(2):  # Telegram repeats what it does not hear back of
            assert client.post("/hook/okxbot", json=update, headers=known).status_code == 200
    api.wait(lambda: any("You may look and act" in text for text in alone(api)), 30)
    code, log = ended(process)
    assert (code, log[-1]["event"]) == (0, "shutdown_complete")
    assert len([text for text in alone(api) if "You may look" in text]) == 1
    assert "getUpdates" not in api.calls
    process = start()
    api.wait(lambda: "getUpdates" in api.calls, 30)
    assert api.webhook == {}
    ended(process)


@pytest.mark.parametrize(
    ("changed", "event"),
    [
        ({"TELEGRAM_ADMIN_IDS": ""}, "telegram_nobody_allowed"),
        ({"TELEGRAM_ADMIN_IDS": "", "TELEGRAM_USER_IDS": "5"}, "telegram_nobody_may_change"),
    ],
)
def test_it_says_at_the_start_that_nobody_may(start, api, changed, event):
    process = start(**changed)
    api.wait(lambda: "getUpdates" in api.calls, 30)
    _, log = ended(process)
    assert event in [line["event"] for line in log]


def test_without_a_token_there_is_one_line(start):
    process = start(TELEGRAM_BOT_TOKEN="")
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (2, "okxbot: TELEGRAM_BOT_TOKEN is not set; the Telegram service needs it\n")


def test_alerts_survive_kill_9_and_none_is_lost_or_shown_twice_unsaid(start, api, seeded):
    """Killed again and again while alerts keep coming: each is shown, and a repeat says that it is one."""
    total = 60
    for part in range(4):
        process = start()
        with seeded.ctx.sessions.begin() as session:
            for index in range(total // 4):
                number = part * total // 4 + index
                session.add(
                    Alert(
                        account_id=seeded.ctx.account_id, kind=f"kind{number}", severity="CRITICAL",
                        message=f"number {number} happened", created_at=seeded.ctx.clock.wall_now(),
                    )
                )  # fmt: skip
        seen = len(api.said)
        api.wait(lambda seen=seen: len(api.said) > seen, 30)
        if part < 3:
            process.kill()
            process.communicate()

    def unsettled():
        with seeded.ctx.sessions() as session:
            return session.scalars(select(Alert.id).where(Alert.delivered_at.is_(None))).all()

    deadline = time.monotonic() + 60
    while unsettled() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert unsettled() == []
    unsaid = "\n".join(text for text in alone(api) if not text.startswith("↻"))
    everything = "\n".join(alone(api))
    digests = "alerts</b>" in everything
    for number in range(total):
        assert unsaid.count(f"number {number} happened") <= 1
        assert digests or f"number {number} happened" in everything
