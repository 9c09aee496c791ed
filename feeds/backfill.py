"""Candles over REST into Redis and PostgreSQL: history at start, and the bars missed while disconnected.

Runs on its own thread, one request at a time; a failed read is tried again with growing waits, because a feed
without history is of no use. Merging is idempotent, so it may overlap with the live pushes.
"""

import queue
import threading
from collections.abc import Callable
from datetime import datetime

import structlog
from redis.exceptions import RedisError

from exchange import market_keys
from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from exchange.market_writer import MarketWriter
from feeds.candle_store import CandleStore
from trading.candle import Candle

logger = structlog.get_logger()

PAGE = 300
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0


class Backfill:
    """`request()` asks for a pass over all instruments and bars; `on_done` follows each whole pass."""

    def __init__(
        self,
        exchange: OkxExchange,
        writer: MarketWriter,
        store: CandleStore,
        inst_ids: tuple[str, ...],
        bars: tuple[str, ...],
        on_done: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._writer = writer
        self._store = store
        self._targets = [(inst_id, bar) for inst_id in inst_ids for bar in bars]
        self._on_done = on_done
        self._last: dict[tuple[str, str], datetime] = {}
        self._requests: queue.Queue[str | None] = queue.Queue(2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backfill", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def request(self, reason: str) -> None:
        """Ask for a pass; several requests while one waits are one."""
        try:
            self._requests.put_nowait(reason)
        except queue.Full:
            return  # a pass that has not begun yet will see what this one wants

    def stop(self) -> None:
        self._stopping.set()
        self.request("stop")
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            reason = self._requests.get()
            if self._stopping.is_set():
                return
            wait = FIRST_WAIT_S
            while not self._stopping.is_set():
                try:
                    added = sum(self._fill(inst_id, bar) for inst_id, bar in self._targets)
                except (ReadFailed, RedisError) as error:
                    logger.warning("backfill_failed", reason=reason, error=str(error), again_in_s=wait)
                    self._stopping.wait(wait)
                    wait = min(wait * 2, LONGEST_WAIT_S)
                    continue
                logger.info("backfill_complete", reason=reason, candles=added)
                self._on_done()
                break

    def _fill(self, inst_id: str, bar: str) -> int:
        """One stream; pages back until it meets what an earlier pass brought, or the depth kept."""
        if self._stopping.is_set():
            return 0
        known = self._last.get((inst_id, bar))
        found: list[Candle] = []
        oldest: datetime | None = None
        while len(found) < market_keys.KEPT_BARS:
            page = self._exchange.candles(inst_id, bar, PAGE, oldest)
            found += [candle for candle in page if candle.confirmed]
            if len(page) < PAGE or (known is not None and page[-1].ts <= known):
                break
            oldest = page[-1].ts
        if not found:
            return 0
        added = self._writer.merge(inst_id, bar, found)
        newest = found[0].ts
        self._last[inst_id, bar] = newest
        self._store.put(reversed([candle for candle in found if known is None or candle.ts > known]))
        return added
