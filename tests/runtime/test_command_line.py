"""The command line as a user meets it: one clear line for what he can mend, never a traceback."""

import os
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from cli.doctor import check_dependencies, check_market, check_ports
from runtime.errors import OperatorError
from runtime.home import Home
from settings import load_settings


def okxbot(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "OKXBOT_HOME": str(home), **settings},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["up"], {"PAPER_SPED": "60"}, "PAPER_SPED: is not a setting"),
        (["up"], {"PAPER_SPEED": "fast"}, "PAPER_SPEED: must be a number"),
        (["up"], {"TRADING_MODE": "casino"}, "TRADING_MODE: must be one of paper, demo, live"),
        (["up"], {"ANALYST": "claude"}, "ANTHROPIC_API_KEY"),
        (["up", "--detach", "--for", "5"], {}, "--detach and --for exclude each other"),
        (["env"], {}, "no bot runs in"),
        (["status"], {}, "no bot was started in"),
        (["bench", "no-such-figure"], {}, "there is no figure no-such-figure"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_2(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    answer = okxbot(tmp_path / "home", *arguments, **settings)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_down_without_a_bot_says_so_and_succeeds(tmp_path: Path) -> None:
    answer = okxbot(tmp_path / "home", "down")
    assert answer.returncode == 0
    assert "no bot was ever started" in answer.stdout


def test_doctor_fails_with_the_mend_and_shows_no_secret(tmp_path: Path) -> None:
    answer = okxbot(tmp_path / "home", "doctor", ANALYST="claude", TELEGRAM_BOT_TOKEN="123456:very-secret")
    assert answer.returncode == 1
    assert "✗ settings: ANTHROPIC_API_KEY" in answer.stdout
    assert "✓ postgresql: " in answer.stdout
    assert "very-secret" not in answer.stdout + answer.stderr


def test_doctor_compares_what_is_installed_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(
        f"redis=={metadata.version('redis')} \\\n    --hash=sha256:00\nnever-here==1 ; sys_platform == 'win32'\n"
    )
    assert check_dependencies(lock) == "1 packages as locked"
    lock.write_text("redis==0.1 \\\n    --hash=sha256:00\n")
    with pytest.raises(OperatorError, match=r"redis .* \(locked 0\.1\); run `make install`"):
        check_dependencies(lock)


def test_doctor_names_a_taken_port_and_a_missing_candle_file(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with pytest.raises(OperatorError, match=rf"{port} \(FLOWER_PORT\) is taken"):
            check_ports(load_settings({"FLOWER_PORT": port}, dotenv=False), Home(tmp_path))
    with pytest.raises(OperatorError, match=r"there is no file .*missing\.csv"):
        check_market(load_settings({"PAPER_MARKET": f"BTC-USDT-SWAP={tmp_path}/missing.csv"}, dotenv=False))


def test_a_malformed_candle_file_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    file = tmp_path / "BTC-USDT-SWAP.csv"
    file.write_text("ts,open,high,low,close,vol_base\n300000,1,2,1,2,5\n600000,1,2,3,2,5\n")
    answer = okxbot(tmp_path / "home", "up", PAPER_MARKET=str(file))
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.endswith(f"PAPER_MARKET: {file}, line 3: high 2 is below low 3")
    assert not (tmp_path / "home").exists()
