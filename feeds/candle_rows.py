"""The statements about stored candles. All are exact about what is a new bar, the same bar, and a different one."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import Boolean, Table, delete, func, literal_column, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models import CandleRow, FundingRate
from models.session import SessionFactory
from trading.candle import BAR_SECONDS, Candle

VALUES = ("open", "high", "low", "close", "vol_contracts", "vol_coins", "vol_quote")
KEY = ("inst_id", "bar", "ts")
TABLE = cast(Table, CandleRow.__table__)
REMOVED_AT_ONCE = timedelta(days=7)

_WHOLE = text("""
    SELECT min(ts) FROM (
      SELECT ts, lead(ts) OVER (ORDER BY ts) AS next FROM candles
      WHERE inst_id = :inst_id AND bar = :bar AND ts >= :since
    ) bars WHERE next IS DISTINCT FROM ts + make_interval(secs => :seconds)
""")


def as_row(candle: Candle) -> dict[str, Any]:
    """A candle as the columns of its row."""
    return {name: getattr(candle, name) for name in (*KEY, *VALUES)}


def insert_pushed(session: Session, candles: Sequence[Candle]) -> None:
    """New bars; those already stored stay as they are."""
    if candles:
        session.execute(insert(CandleRow).on_conflict_do_nothing(), [as_row(candle) for candle in candles])


def insert_history(session: Session, candles: Iterable[Candle]) -> list[tuple[str, str, datetime]]:
    """Bars of the exchange's history, which replace what differs; (instrument, bar, ts) of those replaced."""
    rows = {(candle.inst_id, candle.bar, candle.ts): as_row(candle) for candle in candles}
    if not rows:
        return []
    # The plain table: of the mapped class only whole rows could be returned.
    statement = insert(TABLE)
    new = statement.excluded
    upsert = statement.on_conflict_do_update(
        index_elements=list(KEY),
        set_={name: new[name] for name in VALUES},
        where=or_(*(TABLE.c[name] != new[name] for name in VALUES)),
    ).returning(*(TABLE.c[name] for name in KEY), literal_column("(xmax <> 0)", Boolean).label("replaced"))
    found = session.connection().execute(upsert, list(rows.values()))
    return [(row.inst_id, row.bar, row.ts) for row in found if row.replaced]


def insert_funding(session: Session, rates: dict[tuple[str, datetime], Decimal]) -> None:
    """The latest word on each settlement."""
    for (inst_id, at), rate in rates.items():
        row = insert(FundingRate).values(inst_id=inst_id, funding_market_at=at, rate=rate)
        session.execute(row.on_conflict_do_update(index_elements=["inst_id", "funding_market_at"], set_={"rate": rate}))


def newest(session: Session, inst_id: str, bar: str) -> datetime | None:
    """Open of the newest stored bar."""
    return session.scalar(select(func.max(CandleRow.ts)).where(CandleRow.inst_id == inst_id, CandleRow.bar == bar))


def whole_since(session: Session, inst_id: str, bar: str, since: datetime) -> datetime | None:
    """Open of the last bar before the first hole at or after `since`; None when there is none."""
    asked = {"inst_id": inst_id, "bar": bar, "since": since, "seconds": BAR_SECONDS[bar]}
    found: datetime | None = session.execute(_WHOLE, asked).scalar()
    return found


def remove_older(sessions: SessionFactory, inst_id: str, bar: str, keep: timedelta) -> int:
    """Remove bars opened more than `keep` before the newest, a week a transaction; how many there were."""
    with sessions() as session:
        last = newest(session, inst_id, bar)
        mine = (CandleRow.inst_id == inst_id, CandleRow.bar == bar)
        first = session.scalar(select(func.min(CandleRow.ts)).where(*mine))
    if last is None or first is None:
        return 0
    removed, end = 0, last - keep
    while first < end:
        first = min(first + REMOVED_AT_ONCE, end)
        with sessions.begin() as session:
            gone = session.execute(delete(CandleRow).where(*mine, CandleRow.ts < first).returning(CandleRow.ts))
            removed += len(gone.all())
    return removed
