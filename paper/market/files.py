"""Candle files as a price source.

CSV, plain or gzipped, header `ts,open,high,low,close,vol_base`: `ts` is the bar's open in ms UTC, volume in base
coin; or Parquet with these columns, in any order, `ts` also as a timestamp. The instrument is recognised from the
file's name or given as `INST=FILE`. A file that is not a gapless, sorted run of sane bars refuses with one line naming
the file, the line and what is wrong. Where a file's prices
are finer than the instrument's tick, the tick becomes as fine as the file.
"""

import gzip
import io
import warnings
from decimal import Decimal
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paper.errors import StartRefused
from paper.instruments import CATALOGUE, Instrument
from paper.market.malformed import HEADER, MAX_BAR_MS, explain
from paper.market.series import Series

MAX_DECIMALS = 8
PARQUET = (".parquet", ".pq")
GLANCE = 100  # lines
Table = NDArray[np.float64]


class FileSource:
    """Bars of one or several files, cut to the span they share."""

    kind = "files"
    synthesised: tuple[str, ...] = (
        "path inside bars", "book", "trades", "mark", "index", "funding", "open_interest",
    )  # fmt: skip

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
    """Instrument (its tick fitted to the file), open of the first bar, bar length in ms, bars.

    Raises StartRefused; the slow search for the line to name runs only when something is wrong.
    """
    table = _table(path, _read_parquet(path) if path.suffix in PARQUET else _read(path))
    decimals = _decimals(table, CATALOGUE[inst_id].tick_decimals)
    instrument = CATALOGUE[inst_id]
    if decimals != instrument.tick_decimals:
        instrument = instrument.with_tick(Decimal(1).scaleb(-decimals))
    o, h, low, c = (np.rint(table[:, column] * 10**decimals).astype(np.int32) for column in range(1, 5))
    stamps = table[:2, 0].astype(np.int64)
    return instrument, int(stamps[0]), int(stamps[1] - stamps[0]), Series(o, h, low, c, table[:, 5].copy())


def glance(market: str) -> None:
    """Judge names and first lines only, before anything is started; Parquet waits for `load`. Raises StartRefused."""
    for item in market.split(","):
        _, path = _recognise(item.strip())
        if path.suffix not in PARQUET:
            _table(path, _read(path, GLANCE))


def _table(path: Path, text: str) -> Table:
    """Every bar of a sound file."""
    try:
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # no data: said in our own words below
            table: Table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2, comments=None)
    except ValueError:
        raise StartRefused(explain(path, text)) from None
    if not text.startswith(",".join(HEADER)) or not _is_sound(table):
        raise StartRefused(explain(path, text))
    return table


def _read(path: Path, lines: int | None = None) -> str:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            return (file.read() if lines is None else b"".join(islice(file, lines))).decode("utf-8")
    except (OSError, EOFError) as fault:
        raise StartRefused(f"{path}: cannot be read ({getattr(fault, 'strerror', None) or fault})") from None
    except UnicodeDecodeError:
        raise StartRefused(f"{path}, line 1: not a text file") from None


def _read_parquet(path: Path) -> str:
    """As the CSV it could have been: one way to judge it, and to name the line that is wrong."""
    # Not at the top: it costs memory, and most markets are no Parquet files.
    import pyarrow
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        absent = [name for name in HEADER if name not in table.column_names]
        if absent:
            raise StartRefused(f"{path}: no column {', '.join(absent)}; needed are {', '.join(HEADER)}")
        table = table.select(list(HEADER))
        if pyarrow.types.is_timestamp(table.schema.field("ts").type):
            stamps = table.column("ts").cast(pyarrow.timestamp("ms", "UTC")).cast(pyarrow.int64())
            table = table.set_column(0, "ts", stamps)
        sink = pyarrow.BufferOutputStream()
        pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(quoting_style="none", quoting_header="none"))
    except (OSError, pyarrow.ArrowException) as fault:
        raise StartRefused(f"{path}: cannot be read ({str(fault).splitlines()[0]})") from None
    text: str = sink.getvalue().to_pybytes().decode()
    return text


def _is_sound(table: Table) -> bool:
    if table.shape[0] < 2 or table.shape[1] != len(HEADER) or not np.isfinite(table).all():
        return False
    stamps, o, h, low, c, volume = (table[:, column] for column in range(6))
    steps = np.diff(stamps)
    step = steps[0]
    on_grid = 0 < step <= MAX_BAR_MS and step % 60_000 == 0 and stamps[0] % step == 0
    prices = (low > 0) & (h < 2e8) & (low <= np.minimum(o, c)) & (h >= np.maximum(o, c)) & (volume >= 0)
    return bool(on_grid and (steps == step).all() and prices.all())


def _decimals(table: Table, least: int) -> int:
    """Decimal places the prices need, at least the instrument's; ticks must stay within 32 bits."""
    top = float(table[:, 2].max())
    for decimals in range(least, MAX_DECIMALS + 1):
        if top * 10 ** (decimals + 1) >= 2**31:
            return decimals
        scaled = table[:, 1:5] * 10**decimals
        if np.abs(scaled - np.rint(scaled)).max() < 1e-4:
            return decimals
    return MAX_DECIMALS
