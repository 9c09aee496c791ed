"""Confirmed candles and funding rates into PostgreSQL, off the hot path.

One writer thread behind a bounded queue; inserting a candle twice changes nothing. While PostgreSQL does not
answer the batch in hand is kept and tried again; when the queue is full the newest item is dropped and
counted (`store_overflow`): Redis has it, and the next backfill brings it again.
"""

import queue
import threading
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from time import monotonic

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from exchange.quotes import Funding
from models import CandleRow, FundingRate
from models.session import SessionFactory
from trading.candle import Candle

logger = structlog.get_logger()

QUEUE_LIMIT = 20_000
BATCH = 500
RETRY_S = 1.0
FLUSH_S = 4.0
GATHER_S = 0.25  # the bars of one moment come together, and the decisions about them go first


class CandleStore:
    """`put` never blocks; `stop` writes what is queued."""

    def __init__(self, sessions: SessionFactory) -> None:
        self._sessions = sessions
        self._queue: queue.Queue[Candle | Funding | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._run, name="candle-store", daemon=True)
        self._funding: dict[tuple[str, datetime], Decimal] = {}
        self._give_up_at: float | None = None
        self._ending = threading.Event()
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def put(self, items: Iterable[Candle]) -> None:
        """Queue confirmed candles."""
        for item in items:
            self._offer(item)

    def put_funding(self, funding: Funding) -> None:
        """Queue a funding rate if it differs from the last one seen for its settlement."""
        key = (funding.inst_id, funding.next_at)
        if self._funding.get(key) != funding.rate:
            self._funding = {k: v for k, v in self._funding.items() if k[0] != funding.inst_id} | {key: funding.rate}
            self._offer(funding)

    def stop(self) -> None:
        """Write what is queued, for a few seconds at most."""
        self._give_up_at = monotonic() + FLUSH_S
        self._ending.set()
        try:
            self._queue.put(None, timeout=FLUSH_S)
        except queue.Full:
            logger.error("store_overflow", dropped=self._queue.qsize())
        self._thread.join(FLUSH_S + 1)

    def _offer(self, item: Candle | Funding) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1
            if self.dropped % 1000 == 1:
                logger.error("store_overflow", dropped=self.dropped)

    def _run(self) -> None:
        while True:
            items = [self._queue.get()]
            if items[-1] is not None:
                self._ending.wait(GATHER_S)
            while items[-1] is not None and len(items) < BATCH:
                try:
                    items.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            ending = items[-1] is None
            self._write([item for item in items if item is not None])
            if ending:
                return

    def _write(self, items: list[Candle | Funding]) -> None:
        candles = [_candle_row(item) for item in items if isinstance(item, Candle)]
        rates = {(item.inst_id, item.next_at): item.rate for item in items if isinstance(item, Funding)}
        while candles or rates:
            try:
                with self._sessions.begin() as session:
                    if candles:
                        session.execute(insert(CandleRow).on_conflict_do_nothing(), candles)
                    for (inst_id, at), rate in rates.items():
                        row = insert(FundingRate).values(inst_id=inst_id, funding_market_at=at, rate=rate)
                        session.execute(
                            row.on_conflict_do_update(
                                index_elements=["inst_id", "funding_market_at"], set_={"rate": rate}
                            )
                        )
                return
            except DBAPIError as error:
                logger.warning("store_retried", items=len(items), error=type(error.orig).__name__)
                if self._give_up_at is not None and monotonic() > self._give_up_at:
                    logger.error("store_gave_up", items=len(items))
                    return
                threading.Event().wait(RETRY_S)


def _candle_row(candle: Candle) -> dict[str, object]:
    return {
        "inst_id": candle.inst_id,
        "bar": candle.bar,
        "ts": candle.ts,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "vol_contracts": candle.vol_contracts,
        "vol_coins": candle.vol_coins,
        "vol_quote": candle.vol_quote,
    }
