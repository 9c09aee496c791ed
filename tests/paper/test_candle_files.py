"""Candle files: played as they are, or refused with the line that is wrong."""

import gzip
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from paper.errors import StartRefused
from paper.exchange import Exchange
from paper.market.bars import grid
from paper.market.files import FileSource
from paper.options import PaperOptions

HEADER = "ts,open,high,low,close,vol_base"
START = 1_700_000_100_000 - 1_700_000_100_000 % 300_000


def bars(count: int, step: int = 300_000, price: float = 100.0) -> list[str]:
    rows = []
    for n in range(count):
        o = price + n % 7
        rows.append(f"{START + n * step},{o:.1f},{o + 2:.1f},{o - 1:.1f},{o + 1:.1f},{10 + n % 5}")
    return rows


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_file_is_played_bar_by_bar_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "okx_BTC-USDT-SWAP_5m.csv", bars(60))
    exchange = Exchange(PaperOptions(speed="lockstep", market=str(path), warmup_bars=20))
    assert exchange.advance(10) == 10
    five = grid("5m")
    assert five is not None
    tick = exchange.market.instruments["BTC-USDT-SWAP"].tick
    played = exchange.market.candles("BTC-USDT-SWAP", five, 30)[::-1]
    shown = [
        f"{c.ts},{c.open * tick:.1f},{c.high * tick:.1f},{c.low * tick:.1f},{c.close * tick:.1f},{c.volume:.0f}"
        for c in played
    ]
    assert shown == bars(30)


def test_market_ends_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "okx_BTC-USDT-SWAP_5m.csv", bars(30))
    exchange = Exchange(PaperOptions(speed="lockstep", market=str(path), warmup_bars=20))
    assert exchange.advance(50) == 10
    assert exchange.clock.row()["ended"] is True
    assert exchange.advance(1) == 0


def test_gzip_and_explicit_instrument_and_finer_ticks(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    rows = [row.replace(".0,", ".125,") for row in bars(10)]
    path.write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode()))
    source = FileSource(f"SOL-USDT-SWAP={path}")
    assert source.instruments["SOL-USDT-SWAP"].tick == Decimal("0.001")


def test_parquet_is_played_like_the_same_csv(tmp_path: Path) -> None:
    csv = write(tmp_path / "BTC-USDT-SWAP.csv", bars(50))
    table = pd.read_csv(csv)
    stamped = table.assign(ts=pd.to_datetime(table["ts"], unit="ms", utc=True))
    for name, written in (("numbers", table[table.columns[::-1]]), ("stamps", stamped)):
        path = tmp_path / f"{name}-BTC-USDT-SWAP.parquet"
        written.to_parquet(path)
        source, plain = FileSource(str(path)), FileSource(str(csv))
        assert (source.t0_ms, source.bar_ms) == (plain.t0_ms, plain.bar_ms)
        for column in ("open", "high", "low", "close", "volume"):
            held, wanted = source.series("BTC-USDT-SWAP"), plain.series("BTC-USDT-SWAP")
            assert (getattr(held, column) == getattr(wanted, column)).all()


def test_parquet_that_is_none_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTC-USDT-SWAP.parquet"
    pd.DataFrame({"ts": [1], "open": [1.0]}).to_parquet(path)
    with pytest.raises(StartRefused, match="no column high, low, close, vol_base"):
        FileSource(str(path))
    path.write_bytes(b"no parquet")
    with pytest.raises(StartRefused, match=r"BTC-USDT-SWAP\.parquet: cannot be read"):
        FileSource(str(path))


def test_several_files_share_their_common_span(tmp_path: Path) -> None:
    btc = write(tmp_path / "BTC-USDT-SWAP.csv", bars(50))
    eth = write(tmp_path / "ETH-USDT-SWAP.csv", bars(60)[20:])
    source = FileSource(f"{btc},{eth}")
    assert source.t0_ms == START + 20 * 300_000
    assert len(source.series("BTC-USDT-SWAP")) == len(source.series("ETH-USDT-SWAP")) == 30


def test_only_the_files_instruments_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "ETH-USDT-SWAP.csv", bars(60))
    exchange = Exchange(PaperOptions(speed="lockstep", market=str(path), warmup_bars=20))
    assert list(exchange.engine.state.instruments) == ["ETH-USDT-SWAP"]


@pytest.mark.parametrize(
    "number, row, what",
    [
        (5, "x,1,1,1,1,1", "line 5: ts 'x' is not a number"),
        (7, "{ts},100,abc,99,100,1", "line 7: high 'abc' is not a number"),
        (9, "{ts},100,98,99,100,1", "line 9: high 98 is below low 99"),
        (9, "{ts},105,101,99,100,1", "line 9: open or close lies outside low..high"),
        (12, "{ts},100,101,99,100", "line 12: 5 columns where 6 are needed"),
        (12, "{ts},100,101,99,100,-1", "line 12: vol_base '-1' is out of range"),
        (12, "{ts},nan,101,99,100,1", "line 12: open 'nan' is out of range"),
        (14, "{late},100,101,99,100,1", "line 14: gap of 600 s where bars are 300 s apart"),
        (14, "{early},100,101,99,100,1", "does not come after"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, number: int, row: str, what: str) -> None:
    rows = bars(20)
    ts = START + (number - 2) * 300_000
    rows[number - 2] = row.format(ts=ts, late=ts + 300_000, early=ts - 300_000)
    path = write(tmp_path / "BTC-USDT-SWAP.csv", rows)
    with pytest.raises(StartRefused, match=what) as refusal:
        FileSource(str(path))
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "content, what",
    [
        ("time,o,h,l,c,v\n", "line 1: the header must be"),
        (HEADER + "\n", "line 2: at least two bars are needed"),
        ("", "line 1: the header must be"),
    ],
)
def test_file_without_bars_is_refused(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "BTC-USDT-SWAP.csv"
    path.write_text(content)
    with pytest.raises(StartRefused, match=what):
        FileSource(str(path))


def test_bars_of_different_length_do_not_mix(tmp_path: Path) -> None:
    btc = write(tmp_path / "BTC-USDT-SWAP.csv", bars(50))
    eth = write(tmp_path / "ETH-USDT-SWAP.csv", bars(50, step=60_000))
    with pytest.raises(StartRefused, match="bars of 60 s beside bars of 300 s"):
        FileSource(f"{btc},{eth}")


def start(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "paper", "--data", str(tmp_path / "data"), *arguments]
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=root, check=False)


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["--market", "okx"], "with --market okx only 1 is possible"),
        (["--market", "/nowhere/BTC-USDT-SWAP.csv"], "cannot be read (No such file or directory)"),
        (["--market", "/nowhere/prices.csv"], "no instrument in the file's name"),
        (["--speed", "fast"], "--speed fast"),
        (["--speed", "0"], "--speed 0"),
        (["--start", "now"], "--start now: only with --market synthetic and --speed 1"),
        (["--equity", "lots"], "--equity lots"),
        (["--instruments", "PEPE-USDT-SWAP"], "PEPE-USDT-SWAP"),
        (["--switch", "colour=red"], "known switches are"),
        (["--switch", "fok_attached_stops=maybe"], "allowed are accept, refuse"),
        (["--port", "70000"], "--port 70000"),
    ],
)
def test_foreseeable_trouble_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], what: str) -> None:
    done = start(tmp_path, *arguments)
    assert done.returncode == 2
    assert what in done.stderr
    assert len(done.stderr.splitlines()) == 1
