"""Candle files of every kind, what they are worth, and what becomes of them in the database."""

import gzip
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pandas as pd
import pytest
from sqlalchemy import select

from exchange.client import OkxExchange
from history.columns import UnreadableHistory, instrument_of
from history.download import Download
from history.files import Row, read_rows
from history.report import examine
from history.store import Stored, candles_of, missing, store
from models import CandleRow
from models.session import SessionFactory, build_engine, build_sessions
from paper.launch import ExchangeProcess, launch
from trading.clock import from_ms, to_ms

BTC = "BTC-USDT-SWAP"
T0 = 1_767_225_600_000  # 2026-01-01
MINUTE = 60_000
D = Decimal


def frame(bars: int, skip: tuple[int, ...] = ()) -> pd.DataFrame:
    """A minute each, prices with one decimal."""
    numbers = [n for n in range(bars) if n not in skip]
    opens = [87_593.1 + n for n in numbers]
    return pd.DataFrame(
        {
            "ts": [T0 + n * MINUTE for n in numbers], "open": opens, "high": [px + 2.5 for px in opens],
            "low": [px - 3.3 for px in opens], "close": [px + 1 for px in opens],
            "vol_base": [1.25 + n / 100 for n in numbers],
        }
    )  # fmt: skip


def written(path: Path, table: pd.DataFrame) -> Path:
    name = path.name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    elif name.endswith(".feather"):
        table.rename(columns={"ts": "date", "vol_base": "volume"}).assign(
            date=pd.to_datetime(table["ts"], unit="ms", utc=True)
        ).to_feather(path)
    elif name.endswith(".zip"):
        archive = table.rename(columns={"ts": "open_time"}).assign(
            instrument_name=BTC, vol=table["vol_base"] * 100, vol_ccy=table["vol_base"], vol_quote=1.5, confirm=1
        )
        with zipfile.ZipFile(path, "w") as into:
            into.writestr("candles.csv", archive.drop(columns="vol_base").to_csv(index=False))
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    else:
        table.to_csv(path, index=False)
    return path


NAMES = [
    f"okx_{BTC}_1m.csv", f"okx_{BTC}_1m.csv.gz", f"{BTC}.parquet", "BTC_USDT_USDT-1m-futures.feather", "archive.zip",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_file_says_the_same(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, frame(5))
    rows, report = examine(read_rows(path))
    assert (report.bar, report.bars, report.lines()[1]) == ("1m", 5, "no gaps")
    assert rows[0].ts_ms == T0
    assert (rows[0].open, rows[0].high, rows[0].coins) == (D("87593.1"), D("87595.6"), D("1.25"))
    candles = list(candles_of(rows, BTC, "1m", D("0.01")))
    assert (candles[0].vol_contracts, candles[0].vol_coins) == (D(125), D("1.25"))
    assert instrument_of(path) == (None if name == "archive.zip" else BTC)
    if name == "archive.zip":
        assert rows[0].instrument == BTC
        assert candles[0].vol_quote == D("1.5")


def test_bars_that_had_not_closed_are_left_out_and_seconds_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "open_time,o,h,l,c,vol,confirm\n1767225600,1,2,1,2,5,1\n1767225660,2,3,2,3,5,1\n1767225720,3,3,3,3,5,0\n"
    )
    assert [row.ts_ms for row in read_rows(path)] == [T0, T0 + MINUTE]


@pytest.mark.parametrize(
    "content, complaint",
    [
        ("", "is empty"),
        ("when,open\n1,2\n", "no column for ts, high, low, close, volume"),
        ("ts,open,high,low,close,volume\n1,2,3\n", "line 2: 6 fields expected, not 3"),
        ("ts,open,high,low,close,volume\n1767225600000,1,x,1,1,1\n", "line 2: a figure is no number"),
        ("ts,open,high,low,close,volume\n1767225600000,1,nan,1,1,1\n", "line 2: nan is no finite number"),
        ("ts,open,high,low,close,volume\nyesterday,1,1,1,1,1\n", "line 2: Invalid isoformat string"),
        ("ts,open,high,low,close,volume\n1767225600000000,1,1,1,1,1\n", "line 2: 1767225600000000 is no time of a"),
        ("ts,open,high,low,close,volume\n-1767225600000,1,1,1,1,1\n", "line 2: -1767225600000 is no time of a candle"),
        ("ts,open,high,low,close,volume\n0001-01-01,1,1,1,1,1\n", "line 2: 0001-01-01 00:00:00 is no time"),
        ("ts,open,high,low,close,volume\n1767225600000.5,1,1,1,1,1\n", "line 2: 1767225600000.5 is no time"),
        ("ts,open,high,low,close,volume\n" + "1" * 200_000 + ",1,1,1,1,1\n", "cannot be read .field larger"),
    ],
)
def test_what_is_no_candle_file_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(content)
    with pytest.raises(UnreadableHistory, match=f"broken.csv.*{complaint}"):
        list(read_rows(path))


def test_damaged_archives_are_one_line(tmp_path: Path) -> None:
    for name in ("a.zip", "a.parquet", "a.feather", "a.csv.gz", "absent.csv"):
        path = tmp_path / name
        if name != "absent.csv":
            path.write_bytes(b"not what its name says")
        with pytest.raises(UnreadableHistory, match=f"{name}: cannot be read"):
            list(read_rows(path))


@pytest.mark.parametrize("name", ["bitrot.csv.gz", "bitrot.zip", "bitrot.parquet"])
def test_bits_that_flipped_within_a_file_are_one_line(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, frame(2000))
    if name == "bitrot.zip":
        with zipfile.ZipFile(path) as plain:
            content = plain.read("candles.csv")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("candles.csv", content)
    held = bytearray(path.read_bytes())
    for at in range(300, len(held) // 2, 37):
        held[at] ^= 0xFF
    path.write_bytes(held)
    with pytest.raises(UnreadableHistory, match=rf"{name}: cannot be read \(.+\)$"):
        list(read_rows(path))


def test_an_encrypted_archive_and_a_folder_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "secret.zip", frame(3))
    held = path.read_bytes()
    # The flag "encrypted" of the member, in its own header and in the archive's directory.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = held.index(signature) + offset
        held = held[:at] + b"\x01" + held[at + 1 :]
    path.write_bytes(held)
    with pytest.raises(UnreadableHistory, match=r"secret\.zip: is encrypted"):
        list(read_rows(path))
    for folder in ("f.csv", "f.parquet"):
        (tmp_path / folder).mkdir()
        with pytest.raises(UnreadableHistory, match=f"{folder}: is a folder"):
            list(read_rows(tmp_path / folder))


def row(number: int, close: str = "100", *, low: str = "99", ts: int | None = None) -> Row:
    at = T0 + number * MINUTE if ts is None else ts
    return Row(number + 2, at, D(100), D(101), D(low), D(close), D(1), None, None, None)


def test_gaps_repetitions_and_impossible_bars_are_reported_and_the_rest_is_kept() -> None:
    rows = [row(0), row(1), row(1, "100.5"), row(5), row(6, low="100.5"), row(7), row(0, ts=T0 + 30_000), row(8)]
    kept, report = examine(rows, "1m")
    assert [(one.ts_ms - T0) // MINUTE for one in kept] == [0, 1, 5, 7, 8]
    assert report.gaps == [(T0 + 2 * MINUTE, 3), (T0 + 6 * MINUTE, 1)]
    assert report.missing == 4
    assert [words for _, words in report.impossible] == [
        "line 2 is off the grid",
        "line 8 opens or closes outside its range",
    ]
    assert [words for _, words in report.repeated] == ["line 3"]
    assert report.reordered
    said = "\n".join(report.lines())
    assert "2 impossible bars" in said
    assert "2 gaps, 4 bars missing: 2026-01-01 00:02 3 bars" in said


def test_a_jump_is_shown_not_refused() -> None:
    far = Row(3, T0 + MINUTE, D(150), D(151), D(149), D(150), D(1), None, None, None)
    kept, report = examine([row(0), far])
    assert len(kept) == 2
    assert report.jumps == [(T0 + MINUTE, "+50.0 %")]


def test_bars_of_an_unknown_length_are_refused() -> None:
    with pytest.raises(UnreadableHistory, match="bars of 7 s"):
        examine([row(0, ts=T0), row(1, ts=T0 + 7000)])
    with pytest.raises(UnreadableHistory, match="too few bars"):
        examine([row(0)])
    with pytest.raises(UnreadableHistory, match="holds no bars"):
        examine([], "1m")
    assert examine([row(0)], "1m")[1].bars == 1


@pytest.mark.parametrize("bar", ["5m", "3m"])
def test_bars_are_not_taken_for_longer_ones_nor_longer_ones_for_short(bar: str) -> None:
    with pytest.raises(UnreadableHistory, match=rf"^bars of 1m, not {bar}$"):
        examine([row(number) for number in range(30)], bar)
    with pytest.raises(UnreadableHistory, match=r"^bars of 5m, not 1m$"):
        examine([row(number) for number in range(0, 30, 5)], "1m")


def test_figures_no_market_has_are_left_out_and_spikes_are_shown() -> None:
    rows = [row(0), row(1, "1e-30", low="1e-30"), row(2, low="50"), row(3), row(4)]
    rows[3] = Row(5, T0 + 3 * MINUTE, D(100), D("1e400000"), D(99), D(100), D(1), None, None, None)
    rows[4] = Row(6, T0 + 4 * MINUTE, D(100), D(101), D(99), D(100), D("1e60"), None, None, None)
    kept, report = examine(rows)
    assert [(one.ts_ms - T0) // MINUTE for one in kept] == [0, 2]
    assert [words for _, words in report.impossible] == [
        "line 3 has a price under 1e-18", "line 5 has a figure over 1e+18", "line 6 has a figure over 1e+18",
    ]  # fmt: skip
    assert report.spikes == [(T0 + 2 * MINUTE, "100.0 %")]
    assert "1 spikes over 10 % beyond open and close: 2026-01-01 00:02 100.0 %" in report.lines()


@pytest.fixture
def sessions(database_url: str) -> Iterator[SessionFactory]:
    engine = build_engine(database_url)
    yield build_sessions(engine)
    engine.dispose()


def put(sessions: SessionFactory, rows: list[Row], *, replace: bool = False) -> Stored:
    with sessions.begin() as session:
        return store(session, list(candles_of(rows, BTC, "1m", D("0.01"))), replace=replace)


def test_storing_twice_changes_nothing_and_what_differs_is_replaced_only_when_asked(sessions: SessionFactory) -> None:
    assert put(sessions, [row(n) for n in range(4)]) == Stored(4, 0, 0)
    assert put(sessions, [row(n) for n in range(5)]) == Stored(1, 4, 0)
    other = [row(0), row(1, "100.5")]
    assert put(sessions, other) == Stored(0, 1, 1)
    with sessions() as session:
        assert session.get_one(CandleRow, (BTC, "1m", from_ms(T0 + MINUTE))).close == 100
    assert put(sessions, other, replace=True) == Stored(0, 1, 1)
    with sessions() as session:
        assert session.get_one(CandleRow, (BTC, "1m", from_ms(T0 + MINUTE))).close == D("100.5")


def test_missing_spans_are_exact(sessions: SessionFactory) -> None:
    put(sessions, [row(n) for n in (2, 3, 6)])
    at = [from_ms(T0 + n * MINUTE) for n in range(10)]
    assert missing(sessions, BTC, "1m", at[0], at[9]) == [(at[0], at[1]), (at[4], at[5]), (at[7], at[8])]
    assert missing(sessions, BTC, "1m", at[2], at[4]) == []
    assert missing(sessions, BTC, "5m", at[0], at[5]) == [(at[0], at[0])]


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    process = launch(tmp_path_factory.mktemp("paper"), ["--speed", "lockstep", "--admin", "--warmup-bars", "600"])
    yield process
    process.stop()


def test_an_ended_download_goes_on_where_it_was(paper: ExchangeProcess, sessions: SessionFactory) -> None:
    exchange = OkxExchange(None, paper.rest_url)
    newest = next(candle for candle in exchange.candles(BTC, "5m", 3) if candle.confirmed)
    first, end = newest.ts - timedelta(minutes=5 * 549), newest.ts + timedelta(minutes=5)
    begun = Download(sessions, exchange, BTC, "5m", first, end)
    assert begun.bars == 550
    page = next(begun.pages())
    assert (page.bars, page.stored) == (300, Stored(300, 0, 0))
    again = Download(sessions, exchange, BTC, "5m", first, end)
    assert again.bars == 250
    assert [(page.bars, page.stored.new) for page in again.pages()] == [(250, 250)]
    assert missing(sessions, BTC, "5m", first, end) == []
    # Beyond what the exchange has there is nothing, and it ends.
    before = Download(sessions, exchange, BTC, "5m", first - timedelta(days=30), end)
    assert sum(page.bars for page in before.pages()) == before.bars
    with sessions() as session:
        opens = session.scalars(select(CandleRow.ts).order_by(CandleRow.ts)).all()
    assert len(opens) == (opens[-1] - opens[0]) / timedelta(minutes=5) + 1
    assert opens[0] >= datetime(2020, 1, 1, tzinfo=UTC)
    exchange.close()


def test_a_bar_that_cannot_be_is_left_out_of_a_download(paper: ExchangeProcess, sessions: SessionFactory) -> None:
    class Liar(BaseHTTPRequestHandler):
        """The exchange, but for the low of one bar."""

        def do_GET(self) -> None:
            body = httpx.get(paper.rest_url + self.path).json()
            for row in body["data"]:
                if row[0] == str(to_ms(newest.ts) - 10 * 300_000):
                    row[3] = "0"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            return

    exchange = OkxExchange(None, paper.rest_url)
    newest = next(candle for candle in exchange.candles(BTC, "5m", 3) if candle.confirmed)
    exchange.close()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    liar = OkxExchange(None, f"http://127.0.0.1:{server.server_port}")
    end = newest.ts + timedelta(minutes=5)
    try:
        pages = list(Download(sessions, liar, BTC, "5m", end - timedelta(minutes=500), end).pages())
    finally:
        liar.close()
        server.shutdown()
        server.server_close()
    assert [(page.bars, page.stored.new, page.impossible) for page in pages] == [(100, 99, 1)]
    wrong = newest.ts - timedelta(minutes=50)
    assert missing(sessions, BTC, "5m", end - timedelta(minutes=500), end) == [(wrong, wrong)]
