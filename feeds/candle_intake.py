"""What is done with a candle push: the confirmed bar to Redis and to its decision first, everything else after.

A forming bar is kept apart and written at most once a second. A confirmed bar is taken once: seen again it changes
nothing, seen again with other figures it is a break, which REST resolves. A bar that was passed over, because its
close never came, is asked for by name.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

import structlog

from exchange import parse_market
from exchange.errors import ReadFailed
from exchange.market_writer import MarketWriter
from exchange.websocket import Push
from exchange.ws_connection import key_of
from feeds.candle_store import CandleStore
from feeds.channel_watch import ChannelWatch
from feeds.mending import SETTLE_S, Mender
from trading.candle import BAR_SECONDS, Candle
from trading.candle_consistency import impossible
from trading.clock import to_ms, wall_ms

logger = structlog.get_logger()

FORMING_EVERY_S = 1.0
REMEMBERED = 8  # confirmed bars of a stream, to tell a repetition from a break


class CandleIntake:
    """One per feed; `push` from any socket's thread. Raises RedisError.

    `on_confirmed` is called the moment a bar is in Redis. `candles_first` is held meanwhile: quotes wait.
    """

    def __init__(
        self, writer: MarketWriter, store: CandleStore, watch: ChannelWatch, mender: Mender,
        candles_first: threading.Lock, *, decision_bar: str, on_confirmed: Callable[[Candle], None],
    ) -> None:  # fmt: skip
        self._writer = writer
        self._store = store
        self._watch = watch
        self._mender = mender
        self._candles_first = candles_first
        self._decision_bar = decision_bar
        self._on_confirmed = on_confirmed
        self._recent: dict[tuple[str, str], dict[datetime, Candle]] = {}
        self._last_forming: dict[tuple[str, str], float] = {}
        self._asked: dict[tuple[str, str], datetime] = {}

    def push(self, push: Push) -> None:
        """Take one push."""
        bar, inst_id = push.channel.removeprefix("candle"), str(push.arg.get("instId", ""))
        for row in push.data:
            if self._only_forming(push, inst_id, bar, row):
                continue
            try:
                candle = parse_market.candle(inst_id, bar, row)
            except ReadFailed as error:
                logger.warning("push_malformed", channel=push.channel, error=str(error))
                continue
            if self._impossible(candle):
                continue
            self._watch.candle(key_of(push.arg), to_ms(candle.ts), confirmed=candle.confirmed, now=monotonic())
            if candle.confirmed:
                self._confirmed(candle, push.received_ms)
            else:
                self._last_forming[inst_id, bar] = monotonic()
                self._writer.form(candle, push.received_ms)
                self._passed_over((inst_id, bar), candle.ts)

    def _only_forming(self, push: Push, inst_id: str, bar: str, row: object) -> bool:
        """Whether this is a forming bar not due to be written; it is not even parsed, but its channel has spoken."""
        if not (isinstance(row, list) and len(row) == 9 and row[8] == "0" and str(row[0]).isdecimal()):
            return False
        if monotonic() - self._last_forming.get((inst_id, bar), 0.0) >= FORMING_EVERY_S:
            return False
        self._watch.candle(key_of(push.arg), int(row[0]), confirmed=False, now=monotonic())
        return True

    def _impossible(self, candle: Candle) -> bool:
        why = impossible(candle)
        if not why:
            return False
        logger.warning(
            "candle_impossible", inst_id=candle.inst_id, bar=candle.bar, ts=candle.ts.isoformat(), why=why,
            resolved="rest is asked" if candle.confirmed else "left out",
        )  # fmt: skip
        if candle.confirmed:
            self._mender.span((candle.inst_id, candle.bar), candle.ts, candle.ts, sure=True, in_s=SETTLE_S)
        return True

    def _confirmed(self, candle: Candle, received_ms: int) -> None:
        stream = (candle.inst_id, candle.bar)
        recent = self._recent.setdefault(stream, {})
        seen = recent.get(candle.ts)
        if seen is not None:
            if seen != candle:
                logger.warning(
                    "candle_break", inst_id=candle.inst_id, bar=candle.bar, ts=candle.ts.isoformat(),
                    first=str(seen.close), then=str(candle.close), resolved="rest is asked",
                )  # fmt: skip
                self._mender.span(stream, candle.ts, candle.ts, sure=True)
            return
        with self._candles_first:
            added = self._writer.confirm(candle, received_ms)
            self._on_confirmed(candle)
        took_ms = wall_ms() - received_ms
        self._passed_over(stream, candle.ts)
        recent[candle.ts] = candle
        for ts in sorted(recent)[:-REMEMBERED]:
            del recent[ts]
        self._store.put([candle])
        if not added:
            # Redis already has this bar or a later one.
            self._mender.settle(candle)
        if candle.bar == self._decision_bar:
            logger.info(
                "candle_confirmed", inst_id=candle.inst_id, bar=candle.bar, slot=candle.closes_at.isoformat(),
                new=added, took_ms=took_ms,
            )  # fmt: skip
        else:
            self._mender.check(candle)

    def _passed_over(self, stream: tuple[str, str], ts: datetime) -> None:
        """Ask for the bars between the last confirmed one and this one, once."""
        recent = self._recent.get(stream)
        if not recent:
            return
        step = timedelta(seconds=BAR_SECONDS[stream[1]])
        first = max((at for at in recent if at < ts), default=ts) + step
        first = max(first, self._asked.get(stream, first - step) + step)
        if first < ts:
            self._asked[stream] = ts - step
            self._mender.span(stream, first, ts - step, in_s=SETTLE_S)
