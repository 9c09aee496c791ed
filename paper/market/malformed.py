"""What is wrong with a candle file, and in which line: the slow, exact look once a quick check has failed."""

import csv
import io
from pathlib import Path

HEADER = ["ts", "open", "high", "low", "close", "vol_base"]
MAX_BAR_MS = 86_400_000


def explain(path: Path, text: str) -> str:
    """One line naming file, line and fault."""
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if [name.strip() for name in header] != HEADER:
        return f"{path}, line 1: the header must be {','.join(HEADER)}"
    stamps: list[int] = []
    for row in reader:
        if not row:
            continue
        fault = _fault([cell.strip() for cell in row], stamps)
        if fault:
            return f"{path}, line {reader.line_num}: {fault}"
    if len(stamps) < 2:
        return f"{path}, line {reader.line_num + 1}: at least two bars are needed"
    return f"{path}: not a table of candles"


def _fault(row: list[str], stamps: list[int]) -> str:
    """What is wrong with a row, blank when nothing; appends its stamp."""
    if len(row) != len(HEADER):
        return f"{len(row)} columns where {len(HEADER)} are needed"
    values: list[float] = []
    for name, cell in zip(HEADER, row, strict=True):
        try:
            value = float(cell)
        except ValueError:
            return f"{name} {cell!r} is not a number"
        if not 0 <= value < 1e15 or (value == 0 and name != "vol_base"):
            return f"{name} {cell!r} is out of range"
        values.append(value)
    stamp, o, h, low, c, _ = values
    if h >= 2e8:
        return f"high {row[2]!r} is out of range"
    if h < low:
        return f"high {row[2]} is below low {row[3]}"
    if not low <= o <= h or not low <= c <= h:
        return "open or close lies outside low..high"
    stamps.append(int(stamp))
    return _time_fault(stamps)


def _time_fault(stamps: list[int]) -> str:
    if len(stamps) < 2:
        return ""
    step, gap = stamps[1] - stamps[0], stamps[-1] - stamps[-2]
    if gap <= 0:
        return f"ts {stamps[-1]} does not come after {stamps[-2]}"
    if step > MAX_BAR_MS or step % 60_000 or stamps[0] % step:
        return f"bars of {step} ms are not whole minutes on the clock's grid"
    if gap != step:
        return f"gap of {gap // 1000} s where bars are {step // 1000} s apart"
    return ""
