"""Candle files, whoever wrote them, as rows of text: CSV (plain, gzipped, or OKX's zipped archive), Parquet, Feather.

Figures keep the digits they were written with; binary floats become the shortest decimal that means them. Raises
UnreadableHistory naming the file, the line and what is wrong.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pyarrow.parquet

from history.columns import Columns, UnreadableHistory

MS_FROM = 10**11
"""A stamp below this is in seconds."""
ENCRYPTED = 1
"""Of a zip member's flags."""
FIRST_MS, END_MS = 1_230_768_000_000, 4_102_444_800_000
"""2009 to 2100: what lies outside is no time of a candle, such as one in microseconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A bar as a file has it. `contracts`, `coins`, `quote`: None where the file does not say."""

    line: int
    ts_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    contracts: Decimal | None
    coins: Decimal | None
    quote: Decimal | None
    instrument: str | None


def read_rows(path: Path) -> Iterator[Row]:
    """The confirmed bars of a file, in its order."""
    try:
        yield from _rows(path)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise UnreadableHistory(f"{path}: cannot be read ({reason})") from None
    except UnicodeDecodeError:
        raise UnreadableHistory(f"{path}: is not text") from None


def _rows(path: Path) -> Iterator[Row]:
    name = path.name.lower()
    if path.is_dir():
        raise UnreadableHistory(f"{path}: is a folder, not a file")
    if name.endswith((".parquet", ".pq")):
        yield from _table(path, pyarrow.parquet.read_table(path))
    elif name.endswith((".feather", ".ft")):
        yield from _table(path, pyarrow.feather.read_table(path))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            members = sorted(member for member in archive.namelist() if member.lower().endswith(".csv"))
            if not members:
                raise UnreadableHistory(f"{path}: holds no CSV file")
            for member in members:
                if archive.getinfo(member).flag_bits & ENCRYPTED:
                    raise UnreadableHistory(f"{path}: is encrypted")
                with archive.open(member) as raw:
                    yield from _csv(path, io.TextIOWrapper(raw, "utf-8-sig", errors="replace"))
    elif name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield from _csv(path, text)
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield from _csv(path, text)


def _csv(path: Path, text: io.TextIOBase | Any) -> Iterator[Row]:
    lines = csv.reader(text)
    header = next(lines, None)
    if header is None:
        raise UnreadableHistory(f"{path}: is empty")
    columns = Columns.of(path, header)
    for number, fields in enumerate(lines, start=2):
        if not fields:
            continue
        if len(fields) != len(header):
            raise UnreadableHistory(f"{path}, line {number}: {len(header)} fields expected, not {len(fields)}")
        row = _row(path, number, columns, fields)
        if row is not None:
            yield row


def _table(path: Path, table: pyarrow.Table) -> Iterator[Row]:
    columns = Columns.of(path, list(table.column_names))
    number = 1
    for batch in table.to_batches(max_chunksize=50_000):
        for fields in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number += 1
            row = _row(path, number, columns, fields)
            if row is not None:
                yield row


def _row(path: Path, number: int, columns: Columns, fields: Any) -> Row | None:
    """None for a bar that had not closed."""
    at = columns.at
    if "confirm" in at and str(fields[at["confirm"]]).strip() in ("0", "False", "false"):
        return None
    try:
        open_, high, low, close = (_decimal(fields[at[name]]) for name in ("open", "high", "low", "close"))
        contracts, coins, quote = (
            _decimal(fields[at[name]]) if name in at else None for name in ("contracts", "coins", "quote")
        )
        instrument = str(fields[at["instrument"]]).strip() if "instrument" in at else None
        return Row(number, _ms(fields[at["ts"]]), open_, high, low, close, contracts, coins, quote, instrument)
    except (ValueError, InvalidOperation, OverflowError) as error:
        reason = "a figure is no number" if isinstance(error, InvalidOperation) else str(error)
        raise UnreadableHistory(f"{path}, line {number}: {reason}") from None


def _decimal(value: object) -> Decimal:
    number = Decimal(repr(value) if isinstance(value, float) else str(value).strip())
    if not number.is_finite():
        raise ValueError(f"{value} is no finite number")
    return number


def _ms(value: object) -> int:
    """A stamp in ms or s since the epoch, or a date and time; without a zone it is UTC."""
    text = str(value).strip()
    if isinstance(value, datetime):
        ms = round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    else:
        try:
            number = Decimal(text)
        except InvalidOperation:
            return _ms(datetime.fromisoformat(text))
        if not number.is_finite() or number != number.to_integral_value():
            raise ValueError(f"{text} is no time")
        ms = int(number) if number >= MS_FROM else int(number) * 1000
    if not FIRST_MS <= ms < END_MS:
        raise ValueError(f"{text} is no time of a candle in seconds or milliseconds since 1970")
    return ms
