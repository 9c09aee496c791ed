"""`python -m feeds.pacer`: in lockstep, plays the paper market bar by bar, each only when the last one is
finished.

A bar: advance the exchange; wait until the candles that closed and their last quotes are in Redis and the
mirror equals the exchange; let the account monitor see the equity; then one decision cycle after the other,
in the order of the settings, each until its row is done and its orders are settled; last, the deep reflection, if a
window has ended, so that its version of the playbook rules from the next bar on. Nothing depends on the
wall clock, so a run is reproducible. What keeps it waiting for more than 30 s is logged as `pacer_waiting`.
At the end of the candles it logs `market_ended` and stays.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

import httpx
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from exchange.errors import ReadFailed
from exchange.market_cache import MarketCache
from exchange.redis_client import build_redis
from execution import bills, monitor
from execution.context import ExecutionContext
from execution.following_stops import wanted_moves
from execution.reflection_windows import due_reflection
from feeds.account import build_context
from feeds.dispatch import Dispatcher
from feeds.market import FRAMES
from feeds.service import broker_url, redis_url, run
from feeds.settled import Books, Truth, newest_fill, read_truth
from feeds.slots import bars_closing_at
from settings import AnySettings, SettingsError
from trading.candle import BAR_SECONDS
from trading.clock import ClockUnavailable, from_ms

logger = structlog.get_logger()

SERVICE = "pacer"
ADVANCE_TIMEOUT_S = 60.0
WAITING_LOG_S = 30.0
RESEND_S = 3.0
STOPS_WITHIN_S = 10.0
FIRST_POLL_S, SLOWEST_POLL_S = 0.001, 0.02
TROUBLE_PAUSE_S = 0.5
ENDED_PAUSE_S = 1.0

QUOTES = ("ticker", "mark")
WITHOUT_EFFECT = ("hold", "rejected")
_TROUBLE = (httpx.HTTPError, ReadFailed, RedisError, DBAPIError, ClockUnavailable)


class _Stopped(Exception):
    """Told to stop while waiting."""


class Pacer:
    """The loop, on its own thread."""

    def __init__(
        self, settings: AnySettings, ctx: ExecutionContext, cache: MarketCache, dispatcher: Dispatcher
    ) -> None:
        self._settings = settings
        self._ctx = ctx
        self._cache = cache
        self._dispatcher = dispatcher
        self._bars = tuple(dict.fromkeys((settings.decision_bar, *FRAMES)))
        self._http = httpx.Client(base_url=settings.okx_rest_url, timeout=ADVANCE_TIMEOUT_S, trust_env=False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)
        self._books = Books(ctx)
        self._truth: Truth | None = None
        self._old_fill: tuple[str, str] | None = None
        self._closed = -1
        self.bars_played = 0

    def start(self) -> None:
        self._dispatcher.warm()
        self._thread.start()

    def healthy(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop at the next wait; a bar in hand is finished by the next start."""
        self._stopping.set()
        self._thread.join(15)
        self._books.close()
        self._dispatcher.close()

    def _run(self) -> None:
        logger.info("pacer_started", instruments=list(self._settings.instruments))
        try:
            with self._patiently():
                self._old_fill = newest_fill(self._ctx)
                self._finish(from_ms(self._clock()["market_ms"]))
            while not self._stopping.is_set():
                with self._patiently():
                    self._play_bar()
        except _Stopped:
            return

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """Anticipated trouble of a moment ends the attempt, not the pacer."""
        try:
            yield
        except _TROUBLE as error:
            logger.warning("pacer_retries", error=f"{type(error).__name__}: {error}"[:300])
            self._stopping.wait(TROUBLE_PAUSE_S)

    def _play_bar(self) -> None:
        # Cycles that ended in HOLD changed nothing on the exchange: what it said after the bar still holds.
        self._wait_for(self._unsettled_books)
        self._let_stops_follow()
        self._truth = None
        answer = self._http.post("/paper/advance", json={"bars": 1})
        answer.raise_for_status()
        clock = answer.json()
        if clock["ended"] and not clock.get("played", 0):
            logger.info("market_ended", market_at=from_ms(clock["market_ms"]).isoformat(), bars=self.bars_played)
            while not self._stopping.wait(ENDED_PAUSE_S):
                pass
            raise _Stopped
        self.bars_played += 1
        self._finish(from_ms(clock["market_ms"]))

    def _finish(self, slot: datetime) -> None:
        """Everything the bar that closed at `slot` asks for; repeating it changes nothing."""
        self._wait_for(lambda: self._missing_candles(slot) or self._missing_quotes(slot))
        self._wait_for(self._unsettled)
        self._let_stops_follow()
        self._observe_equity(slot)
        for inst_id in self._settings.instruments:
            cycle = self._books.cycle(inst_id, slot)
            if cycle is None or cycle.stage != "done":
                self._decide(inst_id, slot)
        self._learn(slot)

    def _learn(self, slot: datetime) -> None:
        """Windows end with a close, or six hours after another one: both are looked for at the hour at the latest."""
        closed = self._books.closed_trades()
        if closed == self._closed and slot.minute:
            return
        self._closed = closed
        sent = -RESEND_S

        def awaited() -> list[str]:
            nonlocal sent
            with self._ctx.sessions() as session:
                window = due_reflection(session, self._ctx.account_id, slot)
            if window is None:
                return []
            if monotonic() - sent >= RESEND_S:
                self._dispatcher.send("reflection.due", SERVICE)
                sent = monotonic()
            return [f"reflection {window.name}"]

        self._wait_for(awaited)

    def _decide(self, inst_id: str, slot: datetime) -> None:
        sent = -RESEND_S

        def awaited() -> list[str]:
            nonlocal sent
            cycle = self._books.cycle(inst_id, slot)
            if cycle is not None and cycle.stage == "done":
                return []
            if cycle is None and monotonic() - sent >= RESEND_S:
                self._dispatcher.send("cycle.open", inst_id, slot.isoformat(), SERVICE)
                sent = monotonic()
            return [f"cycle {inst_id} {slot.isoformat()} ({cycle.stage if cycle else 'not opened'})"]

        self._wait_for(awaited)
        cycle = self._books.cycle(inst_id, slot)
        if cycle is not None and cycle.outcome not in WITHOUT_EFFECT:
            self._wait_for(self._unsettled)

    def _let_stops_follow(self) -> None:
        """The rules for stops look at every price there is, not at those a tick happens to meet.

        A move that is refused holds the market up for ten seconds only.
        """
        sent, until = -RESEND_S, monotonic() + STOPS_WITHIN_S

        def awaited() -> list[str]:
            nonlocal sent
            moves = wanted_moves(self._ctx)
            if not moves or monotonic() > until:
                return []
            if monotonic() - sent >= RESEND_S:
                self._dispatcher.send("trade.tend")
                sent = monotonic()
            return [f"stop of {row.inst_id} to {price}" for row, price in moves]

        self._wait_for(awaited)

    def _observe_equity(self, at: datetime) -> None:
        """The account's pushes follow events; the monitor must see every bar, and the peak each hour: reconciliation,
        which raises it elsewhere, comes by the wall's minute, here days of the market apart.
        """
        if settled := at.minute == 0:
            bills.ingest_bills(self._ctx)
        report = self._ctx.exchange.balance()
        monitor.observe(self._ctx, report.equity, max(report.updated_at, at), settled=settled)

    def _unsettled(self) -> list[str]:
        """Our books against the exchange, asked anew."""
        self._truth = read_truth(self._ctx, self._old_fill)
        return self._books.unsettled(self._truth)

    def _unsettled_books(self) -> list[str]:
        """Our books against what the exchange said last; asked anew only while they differ."""
        if self._truth is None:
            return self._unsettled()
        return self._books.unsettled(self._truth) and self._unsettled()

    def _missing_candles(self, slot: datetime) -> list[str]:
        wanted = bars_closing_at(slot, self._bars)
        missing = []
        for inst_id in self._settings.instruments:
            held = self._cache.last_confirmed(inst_id, tuple(wanted))
            for bar in wanted:
                newest = held[bar]
                if newest is None or newest < slot - timedelta(seconds=BAR_SECONDS[bar]):
                    missing.append(f"candle {inst_id} {bar}")
        return missing

    def _missing_quotes(self, slot: datetime) -> list[str]:
        """A decision on the price before the close would depend on who was faster."""
        return [
            f"{channel} {inst_id}"
            for inst_id in self._settings.instruments
            for channel in QUOTES
            if (spoken := self._cache.spoken_at(inst_id).get(channel)) is None or spoken < slot
        ]

    def _clock(self) -> dict[str, int]:
        answer = self._http.get("/paper/clock")
        answer.raise_for_status()
        clock: dict[str, int] = answer.json()
        return clock

    def _wait_for(self, awaited: Callable[[], list[str]]) -> None:
        """Poll until nothing is awaited. Raises _Stopped when told to stop."""
        poll, began, logged = FIRST_POLL_S, monotonic(), monotonic()
        while reasons := awaited():
            if self._stopping.wait(poll):
                raise _Stopped
            poll = min(poll * 1.5, SLOWEST_POLL_S)
            if monotonic() - logged > WAITING_LOG_S:
                logged = monotonic()
                logger.warning("pacer_waiting", awaited=reasons, since_s=round(monotonic() - began))
        if self._stopping.is_set():
            raise _Stopped


def build(settings: AnySettings) -> Pacer:
    """The pacer. Raises SettingsError unless PAPER_SPEED=lockstep."""
    if getattr(settings, "paper_speed", None) != "lockstep":
        raise SettingsError("PAPER_SPEED: must be lockstep for the pacer")
    dispatcher = Dispatcher(broker_url(settings))
    ctx = build_context(settings, SERVICE, dispatcher)
    return Pacer(settings, ctx, MarketCache(build_redis(redis_url(settings), idempotent=True)), dispatcher)


if __name__ == "__main__":
    sys.exit(run(SERVICE, build))
