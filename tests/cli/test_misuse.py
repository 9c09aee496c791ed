"""Wrong commands, options and arguments: one line that names the mistake and where to read on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from cli.show import print_whole


def okxbot(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "OKXBOT_HOME": str(home)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stauts"], "Did you mean 'status'"),
        (["cycle", "show", "x"], "Invalid value for 'ID'"),
        (["cycle", "show"], "Missing argument 'ID'"),
        (["trades", "-n", "0"], "'--limit'"),
        (["up", "--fro", "3"], "No such option: --fro"),
        (["up", "--for", "0"], "'--for'"),
        (["exchange", "--port", "70000"], "'--port'"),
        (["exchange", "--start", "never"], "'--start'"),
        (["order", "settle", "x", "--absent"], "Missing option '--reason'"),
        (["unlock"], "Missing argument"),
        (["standins", "--hostile", "2"], "'--hostile'"),
        (["whatif", "1", "--analyst", "nobody"], "'--analyst'"),
        (["stop", "move"], "Missing argument"),
    ],
)
def test_misuse_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = okxbot(tmp_path / "home", *arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert said in line
    assert "--help`" in line
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["order", "settle", "x", "--reason", "y"], "say --found or --absent"),
        (["stop", "move", "BTC-USDT-SWAP"], "say exactly one of"),
        (["stop", "move", "BTC-USDT-SWAP", "--to", "1", "--break-even"], "say exactly one of"),
        (["stop", "move", "BTC-USDT-SWAP", "--to", "NaN"], "is not a positive number"),
        (["stop", "move", "BTC-USDT-SWAP", "--to", "-5"], "is not a positive number"),
        (["stop", "move", "BTC-USDT-SWAP", "--trail", "x"], "is not a positive number"),
    ],
)
def test_nonsense_is_named_before_anything_is_looked_at(tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = okxbot(tmp_path / "home", *arguments)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert said in line


def test_every_command_explains_itself(tmp_path: Path) -> None:
    assert okxbot(tmp_path, "--help").returncode == 0
    answer = okxbot(tmp_path)
    assert answer.returncode == 2
    assert "Usage: okxbot" in answer.stdout + answer.stderr


def test_table_without_a_terminal_is_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("instrument", "reason", box=None)
    reason = "waits for a close above " + "x" * 200 + " the end"
    table.add_row("BTC-USDT-SWAP", reason)
    print_whole(table)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].split(maxsplit=1) == ["BTC-USDT-SWAP", reason]
