"""What a run of bars is worth: its gaps, repetitions and bars that cannot be.

Which bars cannot be says `trading.candle_consistency`. A jump of over JUMP_PCT between a close and the next
open, or from open and close to the high or low, is shown, not refused: markets do that.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from history.columns import UnreadableHistory, bar_of
from history.files import Row
from trading.candle import BAR_SECONDS
from trading.candle_consistency import why_impossible
from trading.clock import from_ms

JUMP_PCT = Decimal(10)
SHOWN = 5


@dataclass
class Report:
    """Of one file or stream. Gaps are (first missing ms, bars); the rest (ms, words)."""

    bar: str
    bars: int = 0
    first_ms: int = 0
    last_ms: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    repeated: list[tuple[int, str]] = field(default_factory=list)
    impossible: list[tuple[int, str]] = field(default_factory=list)
    jumps: list[tuple[int, str]] = field(default_factory=list)
    spikes: list[tuple[int, str]] = field(default_factory=list)
    still: int = 0
    reordered: bool = False

    @property
    def missing(self) -> int:
        return sum(bars for _, bars in self.gaps)

    def lines(self) -> list[str]:
        """The report for people, the worst first."""
        if not self.bars:
            return ["no bars"]
        span = f"{from_ms(self.first_ms):%Y-%m-%d %H:%M} to {from_ms(self.last_ms):%Y-%m-%d %H:%M} UTC"
        lines = [f"{self.bars:,} bars of {self.bar}, {span}"]
        lines += _some("impossible bars, left out", self.impossible)
        lines += _some("repeated bars that differ, the first kept", self.repeated)
        if self.gaps:
            gaps = [(at, f"{bars} bars") for at, bars in sorted(self.gaps, key=lambda gap: -gap[1])]
            lines += _some(f"gaps, {self.missing:,} bars missing", gaps)
        else:
            lines.append("no gaps")
        lines += _some(f"jumps over {JUMP_PCT} %", self.jumps)
        lines += _some(f"spikes over {JUMP_PCT} % beyond open and close", self.spikes)
        if self.still * 10 > self.bars:
            lines.append(f"{self.still:,} bars without volume")
        if self.reordered:
            lines.append("the file was not in order; it was sorted")
        return lines


def _some(what: str, found: list[tuple[int, str]]) -> list[str]:
    if not found:
        return []
    shown = ", ".join(f"{from_ms(at):%Y-%m-%d %H:%M} {words}" for at, words in found[:SHOWN])
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return [f"{len(found):,} {what}: {shown}{more}"]


def examine(rows: Iterable[Row], bar: str | None = None) -> tuple[list[Row], Report]:
    """The sane rows in order, each once, and the report. Raises UnreadableHistory when no bar length can be seen."""
    given = list(rows)
    ordered = sorted(given, key=lambda row: row.ts_ms)
    bar = _bar_length(ordered, bar)
    report = Report(bar, reordered=any(a is not b for a, b in zip(given, ordered, strict=True)))
    step = BAR_SECONDS[bar] * 1000
    kept: list[Row] = []
    for row in ordered:
        why = _impossible(row, step)
        if why:
            report.impossible.append((row.ts_ms, why))
        elif kept and row.ts_ms == kept[-1].ts_ms:
            if _figures(row) != _figures(kept[-1]):
                report.repeated.append((row.ts_ms, f"line {row.line}"))
        else:
            kept.append(row)
    for before, row in pairwise(kept):
        if row.ts_ms - before.ts_ms > step:
            report.gaps.append((before.ts_ms + step, (row.ts_ms - before.ts_ms) // step - 1))
        else:
            jump = (row.open / before.close - 1) * 100
            if abs(jump) > JUMP_PCT:
                report.jumps.append((row.ts_ms, f"{jump:+.1f} %"))
    for row in kept:
        body = sorted((row.open, row.close))
        spike = (max(row.high / body[1], body[0] / row.low) - 1) * 100
        if spike > JUMP_PCT:
            report.spikes.append((row.ts_ms, f"{spike:.1f} %"))
    report.bars = len(kept)
    report.still = sum((row.contracts or row.coins or 0) == 0 for row in kept)
    if kept:
        report.first_ms, report.last_ms = kept[0].ts_ms, kept[-1].ts_ms
    return kept, report


def _bar_length(ordered: list[Row], given: str | None) -> str:
    """As the file shows it, which must be what was given."""
    if not ordered:
        raise UnreadableHistory("holds no bars")
    steps = Counter(later.ts_ms - earlier.ts_ms for earlier, later in pairwise(ordered) if later.ts_ms > earlier.ts_ms)
    if not steps:
        if given is None:
            raise UnreadableHistory("too few bars to see how long they are; give --bar")
        return given
    usual = steps.most_common(1)[0][0]
    bar = bar_of(usual // 1000) if usual % 1000 == 0 else None
    if bar is None:
        raise UnreadableHistory(f"bars of {usual / 1000:.12g} s; known are {', '.join(BAR_SECONDS)}")
    if given is not None and bar != given:
        raise UnreadableHistory(f"bars of {bar}, not {given}")
    return bar


def _impossible(row: Row, step_ms: int) -> str:
    prices = (row.open, row.high, row.low, row.close)
    volumes = [figure for figure in (row.contracts, row.coins, row.quote) if figure is not None]
    why = why_impossible(row.ts_ms, step_ms // 1000, prices, volumes)
    return f"line {row.line} {why}" if why else ""


def _figures(row: Row) -> tuple[Decimal | None, ...]:
    return (row.open, row.high, row.low, row.close, row.contracts, row.coins)
