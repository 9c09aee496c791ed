"""Confirmed candles and funding rates into PostgreSQL, in batches, off the hot path.

One writer thread behind a bounded queue. A candle pushed twice changes nothing; one read from the exchange's history
(`put(…, history=True)`) is right where it differs from what is stored, which is logged as `candle_break`. While
PostgreSQL does not answer the batch in hand is kept and tried again; when the queue is full the newest item is dropped
and counted (`store_overflow`): the next backfill finds the hole and brings it again. `keep_days` removes bars older
than so many days before the newest of their kind.
"""

import queue
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from exchange.quotes import Funding
from feeds import candle_rows
from models.session import SessionFactory
from trading.candle import Candle

logger = structlog.get_logger()

QUEUE_LIMIT = 20_000
BATCH = 500  # what is lost when the feed is killed in mid-flight; history is stored oldest first
RETRY_S = 1.0
FLUSH_S = 4.0
GATHER_S = 0.25  # the bars of one moment come together, and the decisions about them go first
SWEEP_S = 3600.0

Item = tuple[Candle, bool] | Funding


class CandleStore:
    """`put` never blocks; `stop` writes what is queued."""

    def __init__(self, sessions: SessionFactory, *, keep_days: int | None = None) -> None:
        self._sessions = sessions
        self._keep = None if keep_days is None else timedelta(days=keep_days)
        self._queue: queue.Queue[Item | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._run, name="candle-store", daemon=True)
        self._funding: dict[str, tuple[datetime, Decimal]] = {}
        self._streams: set[tuple[str, str]] = set()
        self._swept_at = monotonic()
        self._give_up_at: float | None = None
        self._ending = threading.Event()
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def put(self, items: Iterable[Candle], *, history: bool = False) -> None:
        """Queue confirmed candles, pushed or of the exchange's history."""
        for item in items:
            self._offer((item, history))

    def put_funding(self, funding: Funding) -> None:
        """Queue a funding rate if it differs from the last one seen for its settlement."""
        seen = (funding.next_at, funding.rate)
        if self._funding.get(funding.inst_id) != seen:
            self._funding[funding.inst_id] = seen
            self._offer(funding)

    def whole_since(self, inst_id: str, bar: str, since: datetime) -> datetime | None:
        """Open of the last stored bar before the first hole after `since`; None when nothing is stored since then.

        Raises DBAPIError.
        """
        with self._sessions() as session:
            return candle_rows.whole_since(session, inst_id, bar, since)

    def stop(self) -> None:
        """Write what is queued, for a few seconds at most."""
        self._give_up_at = monotonic() + FLUSH_S
        self._ending.set()
        try:
            self._queue.put(None, timeout=FLUSH_S)
        except queue.Full:
            logger.error("store_overflow", dropped=self._queue.qsize())
        self._thread.join(FLUSH_S + 1)

    def _offer(self, item: Item) -> None:
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
            self._sweep()

    def _write(self, items: list[Item]) -> None:
        candles = [item for item in items if isinstance(item, tuple)]
        rates = {(item.inst_id, item.next_at): item.rate for item in items if isinstance(item, Funding)}
        self._streams |= {(candle.inst_id, candle.bar) for candle, _ in candles}
        while candles or rates:
            try:
                with self._sessions.begin() as session:
                    _store(session, candles, rates)
                return
            except DBAPIError as error:
                logger.warning("store_retried", items=len(items), error=type(error.orig).__name__)
                if self._give_up_at is not None and monotonic() > self._give_up_at:
                    logger.error("store_gave_up", items=len(items))
                    return
                threading.Event().wait(RETRY_S)

    def _sweep(self) -> None:
        """Remove what is too old, an hour apart."""
        if self._keep is None or monotonic() - self._swept_at < SWEEP_S:
            return
        self._swept_at = monotonic()
        try:
            removed = sum(
                candle_rows.remove_older(self._sessions, inst_id, bar, self._keep) for inst_id, bar in self._streams
            )
        except DBAPIError as error:
            logger.warning("retention_failed", error=type(error.orig).__name__)
            return
        if removed:
            logger.info("candles_removed", rows=removed, older_than_days=self._keep.days)


def _store(session: Session, candles: list[tuple[Candle, bool]], rates: dict[tuple[str, datetime], Decimal]) -> None:
    # What the exchange's history says comes last, so that it also stands against what was pushed in the same batch.
    candle_rows.insert_pushed(session, [candle for candle, history in candles if not history])
    for inst_id, bar, ts in candle_rows.insert_history(session, [candle for candle, history in candles if history]):
        logger.warning("candle_break", inst_id=inst_id, bar=bar, ts=ts.isoformat(), stored="differed", resolved="rest")
    candle_rows.insert_funding(session, rates)
