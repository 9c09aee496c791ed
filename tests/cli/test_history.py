"""`okxbot history`: what a file is worth in a few lines, and one line for what it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BTC = "BTC-USDT-SWAP"
T0 = 1_767_225_600_000
HEADER = "ts,open,high,low,close,volume,instrument_name"


def history(home: Path, *arguments: str) -> tuple[int, str, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "cli.main", "history", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "OKXBOT_HOME": str(home)},
    )  # fmt: skip
    return answer.returncode, answer.stdout, answer.stderr


def check(path: Path, *options: str) -> tuple[int, str, str]:
    return history(path.parent / "home", "import", "--check", *options, str(path))


def said_in_one_line(answer: tuple[int, str, str], complaint: str) -> bool:
    status, out, err = answer
    return status != 0 and not out and complaint in err and err.count("\n") == 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / f"{BTC}.csv"
    rows = [f"{T0 + n * 60_000},100,101,99,100,1,{BTC}" for n in range(6) if n != 3]
    path.write_text("\n".join([HEADER, *rows]))
    return path


def test_the_report_names_span_and_gaps(file: Path) -> None:
    assert check(file) == (
        0,
        f"{BTC}.csv: {BTC}\n  5 bars of 1m, 2026-01-01 00:00 to 2026-01-01 00:05 UTC\n"
        "  1 gaps, 1 bars missing: 2026-01-01 00:03 1 bars\n",
        "",
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--instrument", "ETH-USDT-SWAP"], f"holds {BTC}, not ETH-USDT-SWAP"),
        (["--bar", "5m"], "bars of 1m, not 5m"),
        (["--bar", "7m"], "--bar 7m: must be one of"),
    ],
)
def test_a_file_is_not_taken_for_another_instrument_or_bar(file: Path, options: list[str], complaint: str) -> None:
    assert said_in_one_line(check(file, *options), complaint)


def test_a_name_that_is_no_swap_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace(BTC, "B\tC-USDT-SWAP"))
    assert said_in_one_line(check(file), "is no USDT swap")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-99-01"])
def test_a_day_no_exchange_can_have_is_refused_before_anything_is_asked(tmp_path: Path, day: str) -> None:
    answer = history(tmp_path / "home", "download", BTC, "--from", day, "--url", "http://127.0.0.1:9")
    assert said_in_one_line(answer, f"'{day}': must")
