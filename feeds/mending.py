"""Makes every series of candles whole: history at start, bars missed since, breaks, and bars that contradict others.

One thread, one request at a time, within OKX's limits. What REST says goes into Redis and PostgreSQL as the truth. An
answer that lacks a bar it should have is asked for again with growing waits; a failed read likewise, without end,
because a feed without history is of no use. Everything is idempotent and may overlap with the live pushes.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from exchange import market_keys
from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from exchange.history_reader import PAGE, HistoryReader
from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from feeds.candle_store import CandleStore
from feeds.mending_queue import CatchUp, Check, Due, MendingQueue, Settle, Span, Stream
from trading.candle import BAR_SECONDS, Candle
from trading.candle_consistency import components, difference, impossible

logger = structlog.get_logger()

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
# A bar the exchange itself does not have is given up after so many answers without it (about half a minute).
TRIES = 6
# How far back a feed that was away looks for what it has not stored.
LONGEST_ABSENCE_BARS = 20_000
REACH = 4  # how many longer bars back one may lie when it is compared
SETTLE_S = 0.3  # a close and the next bar's first push may overtake each other


class Mender:
    """`on_ready` is called once, when the first catch-up of every stream has succeeded."""

    def __init__(
        self, exchange: OkxExchange, writer: MarketWriter, cache: MarketCache, store: CandleStore,
        bars: tuple[str, ...], on_ready: Callable[[], None],
    ) -> None:  # fmt: skip
        self._writer = writer
        self._cache = cache
        self._store = store
        self._bars = bars
        self._on_ready = on_ready
        self._queue = MendingQueue()
        self._history = HistoryReader(exchange, self._queue.stopping)
        self._whole_to: dict[Stream, datetime] = {}
        self._first: set[Stream] = set()
        self._gone: set[str] = set()
        self._ready = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def catch_up(self, streams: Iterable[Stream]) -> None:
        """Ask for these streams to be brought up to now; asked twice before it began is once."""
        asked = list(streams)
        with self._lock:
            self._gone -= {inst_id for inst_id, _ in asked}
            self._first |= {stream for stream in asked if stream not in self._whole_to}
        for stream in asked:
            self._queue.ask(CatchUp(stream))

    def span(self, stream: Stream, first: datetime, last: datetime, *, sure: bool = False, in_s: float = 0.0) -> None:
        """Ask for exactly these bars."""
        self._queue.ask(Span(stream, first, last, sure), in_s)

    def settle(self, candle: Candle) -> None:
        """Ask for a pushed bar to be compared with the one held."""
        self._queue.ask(Settle(candle))

    def check(self, longer: Candle) -> None:
        """Ask for a longer bar to be compared with its parts, which close in the same moment."""
        if components(longer.bar, self._bars) is not None:
            self._queue.ask(Check((longer.inst_id, longer.bar), longer.ts), 2.0)

    def forget(self, inst_ids: set[str]) -> None:
        """These instruments are followed no longer; what was still to be read of them is not."""
        with self._lock:
            self._gone |= inst_ids
            self._first = {stream for stream in self._first if stream[0] not in inst_ids}
            self._whole_to = {stream: at for stream, at in self._whole_to.items() if stream[0] not in inst_ids}
        self._say_when_ready()

    def _say_when_ready(self) -> None:
        with self._lock:
            if self._first or self._ready:
                return
            self._ready = True
        logger.info("backfill_complete", streams=len(self._whole_to))
        self._on_ready()

    def stop(self) -> None:
        self._queue.stop()
        self._thread.join(10)

    def _run(self) -> None:
        while (due := self._queue.next()) is not None:
            if due.job.stream[0] in self._gone:
                continue
            wait = min(FIRST_WAIT_S * 2**due.tries, LONGEST_WAIT_S)
            try:
                self._do(due)
            except (ReadFailed, RedisError, DBAPIError) as error:
                logger.warning("backfill_failed", job=str(due.job), error=str(error)[:200], again_in_s=wait)
                # One more place in the queue, but no try used up: it is not the bar that is missing.
                self._queue.ask(due.job, wait, min(due.tries + 1, TRIES - 1))

    def _do(self, due: Due) -> None:
        match due.job:
            case CatchUp(stream):
                self._catch_up(stream)
            case Span():
                self._fill(due.job, due.tries)
            case Check():
                self._compare(due.job, due.tries)
            case Settle(candle):
                if candle not in self._cache.candles(candle.inst_id, candle.bar, market_keys.KEPT_BARS):
                    self.span(due.job.stream, candle.ts, candle.ts, sure=True)

    # History and what was missed.

    def _catch_up(self, stream: Stream) -> None:
        inst_id, bar = stream
        step = timedelta(seconds=BAR_SECONDS[bar])
        known = self._whole_to.get(stream)
        page = self._history.newest(inst_id, bar, PAGE if known is None else self._missing_since(stream, known))
        closed = [candle for candle in page if candle.confirmed]
        if page:
            newest = closed[0].ts if page[0].confirmed else page[0].ts - step
            wanted = newest - step * (market_keys.KEPT_BARS - 1) if known is None else known + step
            if known is None:
                wanted = min(wanted, self._not_stored_from(stream, newest))
            if closed and closed[-1].ts > wanted:
                closed += self._history.span(inst_id, bar, wanted, closed[-1].ts - step, newest)
            closed = _possible(closed)
            self._keep(stream, closed)
            self._whole_to[stream] = newest
            self._ask_for_holes(stream, closed, newest)
        with self._lock:
            self._first.discard(stream)
        self._say_when_ready()

    def _missing_since(self, stream: Stream, known: datetime) -> int:
        """How many bars to ask for: those since `known` by the newest bar that forms, and one to see it is whole."""
        forming = self._cache.forming(*stream)
        if forming is None:
            return PAGE
        return max(3, (forming.ts - known) // timedelta(seconds=BAR_SECONDS[stream[1]]) + 2)

    def _not_stored_from(self, stream: Stream, newest: datetime) -> datetime:
        """The first bar that PostgreSQL lacks, within reason; `newest` when it lacks none, or has never had any."""
        step = timedelta(seconds=BAR_SECONDS[stream[1]])
        # All the way back: a feed killed again and again may leave holes behind newer bars that were pushed.
        whole = self._store.whole_since(*stream, newest - step * LONGEST_ABSENCE_BARS)
        return newest if whole is None else whole + step

    def _ask_for_holes(self, stream: Stream, found: list[Candle], newest: datetime) -> None:
        step = timedelta(seconds=BAR_SECONDS[stream[1]])
        opens = [newest + step, *(candle.ts for candle in found)]
        for later, earlier in pairwise(opens):
            if later - earlier > step:
                self.span(stream, earlier + step, later - step, in_s=FIRST_WAIT_S)

    def _fill(self, job: Span, tries: int) -> None:
        inst_id, bar = job.stream
        step = timedelta(seconds=BAR_SECONDS[bar])
        wanted = [job.first + step * number for number in range((job.last - job.first) // step + 1)]
        if not job.sure:
            held = {candle.ts for candle in self._cache.candles(inst_id, bar, market_keys.KEPT_BARS)}
            wanted = [ts for ts in wanted if ts not in held]
            if not wanted:
                return
        now = self._whole_to.get(job.stream, wanted[-1])
        found = _possible(self._history.span(inst_id, bar, wanted[0], wanted[-1], now))
        self._keep(job.stream, found)
        have = {candle.ts for candle in found}
        missing = [ts for ts in wanted if ts not in have]
        logger.info("candles_mended", inst_id=inst_id, bar=bar, found=len(found), missing=len(missing))
        if not missing:
            return
        if tries + 1 >= TRIES:
            logger.error("candles_missing", inst_id=inst_id, bar=bar, first=missing[0].isoformat(), bars=len(missing))
            return
        self._queue.ask(Span(job.stream, missing[0], missing[-1], job.sure), FIRST_WAIT_S * 2**tries, tries + 1)

    def _keep(self, stream: Stream, candles: list[Candle]) -> None:
        if not candles:
            return
        merged = self._writer.merge(*stream, candles)
        for held, right in merged.differing:
            logger.warning(
                "candle_break", inst_id=stream[0], bar=stream[1], ts=right.ts.isoformat(),
                pushed=_figures(held), rest=_figures(right), resolved="rest",
            )  # fmt: skip
        self._store.put(reversed(candles), history=True)

    # Longer bars against shorter ones.

    def _compare(self, job: Check, tries: int) -> None:
        inst_id, bar = job.stream
        shorter = components(bar, self._bars)
        if shorter is None:
            return
        step, length = timedelta(seconds=BAR_SECONDS[shorter]), timedelta(seconds=BAR_SECONDS[bar])
        longer = next((c for c in self._cache.candles(inst_id, bar, REACH) if c.ts == job.ts), None)
        held = self._cache.candles(inst_id, shorter, length // step * (REACH + 1))
        parts = [candle for candle in held if job.ts <= candle.ts < job.ts + length]
        if longer is None:
            return
        if len(parts) < length // step:
            if tries < 2:
                self.span((inst_id, shorter), job.ts, job.ts + length - step)
                self._queue.ask(job, 2.0 * (tries + 1), tries + 1)
            return
        found = difference(longer, parts)
        if found is None:
            return
        if job.again:
            logger.error("candles_contradict_on_exchange", inst_id=inst_id, bar=bar, ts=job.ts.isoformat(), what=found)
            return
        logger.warning("candles_contradict", inst_id=inst_id, bar=bar, parts=shorter, ts=job.ts.isoformat(), what=found)
        self.span(job.stream, job.ts, job.ts, sure=True)
        self.span((inst_id, shorter), job.ts, job.ts + length - step, sure=True)
        self._queue.ask(Check(job.stream, job.ts, again=True), 2.0)


def _possible(candles: list[Candle]) -> list[Candle]:
    """Those that a market can have; the others are missing, and asked for again."""
    kept = []
    for candle in candles:
        why = impossible(candle)
        if why:
            logger.warning(
                "candle_impossible", inst_id=candle.inst_id, bar=candle.bar, ts=candle.ts.isoformat(), why=why,
                resolved="rest is asked again",
            )  # fmt: skip
        else:
            kept.append(candle)
    return kept


def _figures(candle: Candle) -> str:
    return f"{candle.open} {candle.high} {candle.low} {candle.close} {candle.vol_contracts}"
