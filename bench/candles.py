"""Stored candles: how quickly they are written and read when there are very many of them.

`candle-query`: the table of the bot filled with one-minute bars of 300 instruments over 60 days (26 million rows, laid
down minute by minute as a feed does), then the last 700 bars of an instrument, the newest bar of an instrument, a day
in the middle, and the search for holes, each of an instrument drawn at random. `candle-write`: the bars of one minute
of 300 instruments in one batch, into that table; `candle-retention`: a week of one instrument removed from it;
`candle-size`: the table with its index. It takes about four minutes and 6 GB of disk, so it is measured on request.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import track
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.registry import Measured, distribution, figure
from feeds import candle_rows
from models.session import SessionFactory, build_engine, build_sessions
from runtime.errors import OperatorError
from runtime.migrate import upgrade_to_head
from runtime.postgres import EmbeddedPostgres
from trading.candle import Candle
from trading.clock import from_ms

INSTRUMENTS, DAYS, SAMPLES, REMOVALS = 300, 60, 200, 20
NEEDED_BYTES = 10 * 2**30
START = from_ms(1_767_225_600_000)
PX = Decimal("60000.1")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

_FILL = text("""
    INSERT INTO candles SELECT 'C' || i || '-USDT-SWAP', '1m', ts, 60000.1 + i, 60010.5 + i, 59990.2 + i, 60001.3 + i,
      1520.5, 15.205, 912345.678
    FROM generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz), interval '1 minute') ts,
      generate_series(1, :instruments) i
""")
_LAST = text("SELECT * FROM candles WHERE inst_id = :inst_id AND bar = '1m' ORDER BY ts DESC LIMIT 700")
_SPAN = text("SELECT * FROM candles WHERE inst_id = :inst_id AND bar = '1m' AND ts >= :first AND ts < :last")


@figure("candle-query", on_request=True)
def candle_query() -> Iterator[Measured]:
    if shutil.disk_usage(tempfile.gettempdir()).free < NEEDED_BYTES:
        raise OperatorError(f"candle-query needs {NEEDED_BYTES >> 30} GB free in {tempfile.gettempdir()}; set TMPDIR")
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        upgrade_to_head(server.url)
        engine = build_engine(server.url)
        with Session(engine) as session:
            for day in track(range(DAYS), "26 million bars", console=Console(stderr=True)):
                first = START + day * DAY
                session.execute(_FILL, {"first": first, "last": first + DAY - MINUTE, "instruments": INSTRUMENTS})
                session.commit()
            session.connection().exec_driver_sql("ANALYZE candles")
            session.commit()
            middle, since = START + (DAYS // 2) * DAY, START + DAYS * DAY - 800 * MINUTE

            def holes(name: str) -> object:
                return candle_rows.whole_since(session, name, "1m", since)

            def day_of(name: str) -> object:
                return session.execute(_SPAN, {"inst_id": name, "first": middle, "last": middle + DAY}).all()

            yield _measured("last 700", lambda name: session.execute(_LAST, {"inst_id": name}).all())
            yield _measured("newest", lambda name: candle_rows.newest(session, name, "1m"))
            yield _measured("a day", day_of)
            yield _measured("holes", holes)
            session.rollback()
            yield _written(session)
            yield _removed(build_sessions(engine))
            size = session.scalar(text("SELECT pg_total_relation_size('candles')")) or 0
            yield Measured("candle-size", round(size / 2**30, 2), "GB", INSTRUMENTS * DAYS * 1440)
        engine.dispose()


def _measured(what: str, ask: Callable[[str], object]) -> Measured:
    dice, samples = random.Random(1), []
    for _ in range(SAMPLES):
        name = f"C{dice.randint(1, INSTRUMENTS)}-USDT-SWAP"
        began = perf_counter()
        ask(name)
        samples.append((perf_counter() - began) * 1000)
    return distribution(f"candle-query {what}", samples, "ms")


def _written(session: Session) -> Measured:
    samples = []
    for minute in range(20):
        at = START + DAYS * DAY + minute * MINUTE
        candles = [
            Candle(f"C{i}-USDT-SWAP", "1m", at, PX, PX + 9, PX - 9, PX, PX, PX / 100, PX * 9, confirmed=True)
            for i in range(1, INSTRUMENTS + 1)
        ]
        began = perf_counter()
        candle_rows.insert_pushed(session, candles)
        session.commit()
        samples.append((perf_counter() - began) * 1000)
    return distribution("candle-write", samples, "ms")


def _removed(sessions: SessionFactory) -> Measured:
    """What the hourly sweep does with a series that is a week too long."""
    samples = []
    for number in range(1, REMOVALS + 1):
        began = perf_counter()
        candle_rows.remove_older(sessions, f"C{number}-USDT-SWAP", "1m", (DAYS - 7) * DAY)
        samples.append((perf_counter() - began) * 1000)
    return distribution("candle-retention", samples, "ms")
