"""Bars into the `candles` table, thousands at once, and what is there already."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from history.files import Row
from models.session import SessionFactory
from trading.candle import BAR_SECONDS, Candle
from trading.clock import from_ms

COLUMNS = ("inst_id", "bar", "ts", "open", "high", "low", "close", "vol_contracts", "vol_coins", "vol_quote")
VALUES = COLUMNS[3:]
BATCH = 20_000


@dataclass(frozen=True)
class Stored:
    """What became of bars: new ones, those already there and the same, those that differed from what is there."""

    new: int = 0
    same: int = 0
    differing: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.new + other.new, self.same + other.same, self.differing + other.differing)


def candles_of(rows: Sequence[Row], inst_id: str, bar: str, ct_val: Decimal) -> Iterator[Candle]:
    """Rows as candles. What a file does not say follows from the rest: coins = contracts × ctVal; the quote volume is
    taken at the middle of high and low.
    """
    for row in rows:
        coins = row.coins if row.coins is not None else (row.contracts or Decimal(0)) * ct_val
        contracts = row.contracts if row.contracts is not None else coins / ct_val
        quote = row.quote if row.quote is not None else coins * (row.high + row.low) / 2
        at = from_ms(row.ts_ms)
        yield Candle(inst_id, bar, at, row.open, row.high, row.low, row.close, contracts, coins, quote, True)


def store(session: Session, candles: Sequence[Candle], *, replace: bool = False) -> Stored:
    """Insert what is new. What differs from what is stored stays as it is, or is replaced."""
    if not candles:
        return Stored()
    connection = session.connection()
    connection.execute(text("CREATE TEMP TABLE IF NOT EXISTS arriving (LIKE candles) ON COMMIT DELETE ROWS"))
    connection.execute(text("TRUNCATE arriving"))
    lines = io.StringIO()
    for candle in candles:
        lines.write("\t".join(str(getattr(candle, name)) for name in COLUMNS) + "\n")
    lines.seek(0)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.copy_expert(f"COPY arriving ({', '.join(COLUMNS)}) FROM STDIN", lines)
    differs = " OR ".join(f"c.{name} <> a.{name}" for name in VALUES)
    differing = connection.execute(
        text(f"SELECT count(*) FROM arriving a JOIN candles c USING (inst_id, bar, ts) WHERE {differs}")
    ).scalar_one()
    if replace and differing:
        values = ", ".join(f"{name} = a.{name}" for name in VALUES)
        connection.execute(
            text(
                f"UPDATE candles c SET {values} FROM arriving a "
                f"WHERE (c.inst_id, c.bar, c.ts) = (a.inst_id, a.bar, a.ts) AND ({differs})"
            )
        )
    new = connection.execute(text("INSERT INTO candles SELECT * FROM arriving ON CONFLICT DO NOTHING")).rowcount
    return Stored(new, len(candles) - new - differing, differing)


def missing(
    sessions: SessionFactory, inst_id: str, bar: str, first: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Spans of bars (first and last open) from `first` to before `end` that are not stored, oldest first."""
    step = timedelta(seconds=BAR_SECONDS[bar])
    with sessions() as session:
        found = session.execute(
            text("""
                SELECT ts, next FROM (
                  SELECT ts, lead(ts) OVER (ORDER BY ts) AS next FROM (
                    SELECT ts FROM candles WHERE inst_id = :inst_id AND bar = :bar AND ts >= :first AND ts < :end
                    UNION ALL SELECT CAST(:before AS timestamptz) UNION ALL SELECT CAST(:end AS timestamptz)
                  ) held
                ) steps WHERE next - ts > make_interval(secs => :seconds) ORDER BY ts
            """),
            {"inst_id": inst_id, "bar": bar, "first": first, "end": end, "before": first - step,
             "seconds": BAR_SECONDS[bar]},
        )  # fmt: skip
        return [(row.ts + step, row.next - step) for row in found]
