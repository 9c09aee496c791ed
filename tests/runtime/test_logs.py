"""No secret in any line, and the logs of all services read as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.log_reader import follow, read, services_with_logs
from runtime.logs import scrub

LOGGER = """
import logging, sys
from runtime.logs import configure
from settings import load_settings

settings = load_settings(dotenv=False)
configure("probe", "INFO", "json", settings.secret_values)
import structlog

log = structlog.get_logger()
key = settings.okx_secret_key.get_secret_value()
log.info("in_a_value", text=f"signed with {key}", nested={"list": [key, {"deep": key}]})
log.info("under_a_name", passphrase="anything", headers={"OK-ACCESS-SIGN": "c2ln", "Authorization": "Bearer abc.def"})
logging.getLogger("library").warning("connecting to %s", settings.database_url.get_secret_value())
try:
    raise ConnectionError(f"POST https://api.telegram.org/bot{settings.telegram_bot_token.get_secret_value()}/getMe")
except ConnectionError:
    log.exception("in_a_traceback")
    logging.getLogger("library").exception("in a library's traceback")
structlog.contextvars.bind_contextvars(bound=settings.anthropic_api_key.get_secret_value())
log.warning("bound_to_the_context")
"""
SECRETS = {
    "OKX_API_KEY": "0a1b2c3d-okx-api-key",
    "OKX_SECRET_KEY": "THESECRETOFTHEACCOUNT",
    "OKX_PASSPHRASE": "correct horse battery",
    "ANTHROPIC_API_KEY": "a-key-without-a-known-prefix",
    "TELEGRAM_BOT_TOKEN": "12345678:AAHexampleTokenOfTheBotFather0123456",
    "DATABASE_URL": "postgresql://okxbot:p%40ssw0rd-of-db@127.0.0.1/trading_bot",
    "METRICS_BASIC_AUTH": "okxbot:password-of-metrics",
}


@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_secret_of_the_process_is_in_any_line(tmp_path: Path, format_: str):
    environ = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", LOGGER.replace('"json"', f'"{format_}"')], capture_output=True, text=True, check=True,
        timeout=30, env=environ | SECRETS | {"TRADING_MODE": "demo", "OKXBOT_HOME": str(tmp_path)},
    )  # fmt: skip
    said = done.stdout + done.stderr
    for event in ("in_a_value", "under_a_name", "connecting to", "in_a_traceback", "bound_to_the_context"):
        assert event in said
    for secret in (*SECRETS.values(), "p%40ssw0rd-of-db", "p@ssw0rd-of-db", "c2ln", "abc.def", "password-of-metrics"):
        assert secret not in said
    assert "anything" not in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"api_key": "k", "claim": "c"}, {"api_key": "***", "claim": "c"}),
        ({"token": ""}, {"token": ""}),
        ("redis://:pw@host:1/0", "redis://:***@host:1/0"),
        ("sk-ant-api03-abc", "***"),
        (["pplx-123", 5, None], ["***", 5, None]),
    ],
)
def test_what_looks_like_a_credential_is_scrubbed(given: object, expected: object):
    assert scrub(given) == expected


def line(second: int, event: str, **more: object) -> str:
    return json.dumps({"event": event, "timestamp": f"2026-01-01T00:00:{second:02}.000000Z", **more}) + "\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two services and a server; one log was rotated, one holds a traceback, one a line cut short."""
    (tmp_path / "trade.log.2").write_text(line(1, "oldest"))
    (tmp_path / "trade.log.1").write_text(line(3, "older"))
    (tmp_path / "trade.log").write_text(
        line(5, "newest") + "Traceback (most recent call last):\n  boom\n" + line(9, "z")
    )
    (tmp_path / "beat.log").write_text(line(2, "second") + '{"event": "cut sh')
    (tmp_path / "supervisor.log").write_text("not a service's\n")
    return tmp_path


def test_logs_are_one_stream_in_order_over_rotation(logs: Path):
    names = services_with_logs(logs)
    assert names == ["beat", "trade"]
    said = [(found.service, found.entry["event"]) for found in read(logs, names, lambda _: True, None)]
    assert said == [
        ("trade", "oldest"), ("beat", "second"), ("beat", '{"event": "cut sh'), ("trade", "older"),
        ("trade", "newest"), ("trade", "Traceback (most recent call last):"), ("trade", "  boom"), ("trade", "z"),
    ]  # fmt: skip
    assert [found.entry["event"] for found in read(logs, names, lambda found: "e" in found.entry["event"], 2)] == [
        "newest", "Traceback (most recent call last):",
    ]  # fmt: skip


def test_following_shows_what_is_written_from_now_on_over_a_rotation(logs: Path):
    news = follow(logs, ["trade", "beat"], lambda _: True)
    assert news() == []
    with (logs / "trade.log").open("a") as file:
        file.write(line(10, "one") + line(11, "two")[:20])
        file.flush()
        assert [found.entry["event"] for found in news()] == ["one"]
        file.write(line(11, "two")[20:])
    assert [found.entry["event"] for found in news()] == ["two"]
    (logs / "trade.log").rename(logs / "trade.log.1")
    assert news() == []
    (logs / "trade.log").write_text(line(12, "in the new file"))
    assert [found.entry["event"] for found in news()] == ["in the new file"]
