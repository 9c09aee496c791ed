"""Candle files as a price source.

CSV, plain or gzipped, header `ts,open,high,low,close,vol_base`: `ts` is the bar's open in ms UTC, volume in base
coin. The instrument is recognised from the file's name or given as `INST=FILE`. A file that is not a gapless,
sorted run of sane bars refuses with one line naming the file, the line and what is wrong. Where a file's prices
are finer than the instrument's tick, the tick becomes as fine as the file.
"""

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import numpy as np

from paper.errors import StartRefused
from paper.instruments import CATALOGUE, Instrument
from paper.market.series import Series

HEADER = ["ts", "open", "high", "low", "close", "vol_base"]
MAX_BAR_MS = 86_400_000


class FileSource:
    """Bars of one or several files, cut to the span they share."""

    kind = "files"
    synthesised: tuple[str, ...] = ("path inside bars", "book", "trades", "mark", "index", "funding", "open_interest")

    def __init__(self, market: str) -> None:
        self.instruments: dict[str, Instrument] = {}
        loaded: dict[str, tuple[int, int, Series, str]] = {}
        for item in market.split(","):
            inst_id, path = _recognise(item.strip())
            if inst_id in loaded:
                raise StartRefused(f"{path}: {inst_id} is given twice")
            instrument, first_ms, bar_ms, series = load(inst_id, path)
            self.instruments[inst_id] = instrument
            loaded[inst_id] = (first_ms, bar_ms, series, str(path))
        self.bar_ms = next(iter(loaded.values()))[1]
        for _, bar_ms, _, name in loaded.values():
            if bar_ms != self.bar_ms:
                raise StartRefused(f"{name}: bars of {bar_ms // 1000} s beside bars of {self.bar_ms // 1000} s")
        self.t0_ms = max(first for first, _, _, _ in loaded.values())
        end_ms = min(first + len(series) * self.bar_ms for first, _, series, _ in loaded.values())
        if end_ms <= self.t0_ms:
            raise StartRefused("the candle files share no span of time")
        self._bars = (end_ms - self.t0_ms) // self.bar_ms
        self._series: dict[str, Series] = {}
        for inst_id, (first_ms, _, series, _) in loaded.items():
            skip = (self.t0_ms - first_ms) // self.bar_ms
            part = slice(skip, skip + self._bars)
            self._series[inst_id] = Series(
                series.open[part], series.high[part], series.low[part], series.close[part], series.volume[part]
            )

    def ensure(self, bars: int) -> int:
        return self._bars

    def series(self, inst_id: str) -> Series:
        return self._series[inst_id]


def _recognise(item: str) -> tuple[str, Path]:
    inst_id, equals, name = item.partition("=")
    if equals:
        if inst_id not in CATALOGUE:
            raise StartRefused(f"{inst_id}: unknown instrument; known are {', '.join(CATALOGUE)}")
        return inst_id, Path(name)
    path = Path(item)
    for known in CATALOGUE:
        if known in path.name:
            return known, path
    raise StartRefused(f"{item}: no instrument in the file's name; write INST=FILE, e.g. BTC-USDT-SWAP={item}")


def load(inst_id: str, path: Path) -> tuple[Instrument, int, int, Series]:
    """Instrument (its tick fitted to the file), open of the first bar, bar length in ms, bars."""
    rows: list[tuple[int, str, str, str, str, float]] = []
    decimals = CATALOGUE[inst_id].tick_decimals
    for line, row in _rows(path):
        stamp, *prices, volume = row
        where = f"{path}, line {line}"
        if not stamp.isdecimal():
            raise StartRefused(f"{where}: ts {stamp!r} is not a whole number of milliseconds")
        for name, price in zip(HEADER[1:5], prices, strict=True):
            decimals = max(decimals, _check_price(where, name, price))
        o, h, low, c = (float(price) for price in prices)
        if h < low:
            raise StartRefused(f"{where}: high {prices[1]} is below low {prices[2]}")
        if not low <= o <= h or not low <= c <= h:
            raise StartRefused(f"{where}: open or close lies outside low..high")
        rows.append((int(stamp), prices[0], prices[1], prices[2], prices[3], _volume(where, volume)))
        if len(rows) >= 2:
            _check_time(where, rows)
    if len(rows) < 2:
        raise StartRefused(f"{path}, line {len(rows) + 1}: at least two bars are needed")
    instrument = CATALOGUE[inst_id].with_tick(Decimal(1).scaleb(-decimals))
    if CATALOGUE[inst_id].tick_decimals == decimals:
        instrument = CATALOGUE[inst_id]
    scale = 10**decimals
    columns = [
        np.rint(np.array([float(row[column]) for row in rows]) * scale).astype(np.int32)
        for column in range(1, 5)
    ]
    o, h, low_column, c = columns
    series = Series(o, h, low_column, c, np.array([row[5] for row in rows], dtype=np.float64))
    return instrument, rows[0][0], rows[1][0] - rows[0][0], series


def _rows(path: Path) -> "list[tuple[int, list[str]]]":
    try:
        raw = path.read_bytes()
        plain = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        text = plain.decode("utf-8")
    except (OSError, EOFError) as fault:
        raise StartRefused(f"{path}: cannot be read ({getattr(fault, 'strerror', None) or fault})") from None
    except UnicodeDecodeError:
        raise StartRefused(f"{path}, line 1: not a text file") from None
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if [name.strip() for name in header] != HEADER:
        raise StartRefused(f"{path}, line 1: the header must be {','.join(HEADER)}")
    found = []
    for line, row in enumerate(reader, start=2):
        if not row:
            continue
        if len(row) != len(HEADER):
            raise StartRefused(f"{path}, line {line}: {len(row)} columns where {len(HEADER)} are needed")
        found.append((line, [cell.strip() for cell in row]))
    return found


def _check_price(where: str, name: str, value: str) -> int:
    whole, _, fraction = value.partition(".")
    if not whole.isdecimal() or (fraction and not fraction.isdecimal()):
        raise StartRefused(f"{where}: {name} {value!r} is not a positive number")
    if float(value) <= 0 or float(value) * 10 ** len(fraction) >= 2**31:
        raise StartRefused(f"{where}: {name} {value!r} is out of range")
    return len(fraction.rstrip("0"))


def _volume(where: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e15:
        raise StartRefused(f"{where}: vol_base {value!r} is not a number from 0 up")
    return number


def _check_time(where: str, rows: list[tuple[int, str, str, str, str, float]]) -> None:
    step = rows[1][0] - rows[0][0]
    gap = rows[-1][0] - rows[-2][0]
    if gap <= 0:
        raise StartRefused(f"{where}: ts {rows[-1][0]} does not come after {rows[-2][0]}")
    if step > MAX_BAR_MS or step % 60_000 or rows[0][0] % step:
        raise StartRefused(f"{where}: bars of {step} ms are not whole minutes on the clock's grid")
    if gap != step:
        raise StartRefused(f"{where}: gap of {gap // 1000} s where bars are {step // 1000} s apart")
