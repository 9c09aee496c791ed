"""`python -m feeds.market`: the market feed. Public WebSocket → Redis (the present), PostgreSQL (confirmed
candles).

The moment the candles of a decision slot have confirmed and are in Redis, the cycle's message goes out. In
lockstep the pacer opens the cycles instead. A malformed push is logged and skipped; a channel that falls silent is
subscribed anew, then reconnected, and its missing bars are read over REST; while Redis does not answer nothing is
written, ages grow and the gate refuses; afterwards the missed bars are read.
"""

import sys
import threading
from datetime import datetime
from time import monotonic

import structlog
from redis.exceptions import RedisError

from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from exchange.market_cache import MarketCache
from exchange.market_writer import MarketWriter
from exchange.redis_client import build_redis
from exchange.websocket import Push
from exchange.ws_connection import Key
from feeds.calendar import EconomicCalendar
from feeds.candle_intake import CandleIntake
from feeds.candle_store import CandleStore
from feeds.channel_watch import ChannelWatch, Mend, Silent
from feeds.dispatch import Dispatcher
from feeds.instrument_changes import Followed
from feeds.instrument_list import InstrumentList
from feeds.market_watch import MarketWatch
from feeds.mending import Mender
from feeds.quote_board import QuoteBoard
from feeds.service import announce_ready, broker_url, database_url, redis_url, run
from feeds.slots import SlotGate
from feeds.subscriptions import Subscriptions, candle_args, quote_args
from models.session import SessionFactory, build_engine, build_sessions
from runtime.counting import FEED_RECONNECTS
from settings import AnySettings, PaperSettings
from trading.candle import Candle

logger = structlog.get_logger()

SERVICE = "market-feed"
FRAMES = ("5m", "15m", "1H", "4H")
WATCH_EVERY_S = 1.0
# A thread that wants to go on waits this long for one that computes; Python's own 5 ms would delay every decision.
SWITCH_S = 0.0005
WRITE_FAILURE_LOG_S = 5.0


class MarketFeed:
    """Business sockets (candles) and public ones (the rest), the mender, the candle store and the watch over all."""

    def __init__(self, settings: AnySettings, exchange: OkxExchange, writer: MarketWriter, cache: MarketCache,
                 store: CandleStore, dispatcher: Dispatcher, calendar: EconomicCalendar,
                 sessions: SessionFactory) -> None:  # fmt: skip
        self._settings = settings
        self._exchange = exchange
        self._instruments = InstrumentList(settings, exchange.instruments)
        self._followed = Followed(sessions, settings.instruments)
        self._writer = writer
        self._store = store
        self._dispatcher = dispatcher
        self._calendar = calendar
        speed = settings.paper_speed if isinstance(settings, PaperSettings) else 1.0
        self._opens_cycles = speed != "lockstep"
        self._bars = tuple(dict.fromkeys((settings.decision_bar, *FRAMES)))
        self._slots = SlotGate(settings.decision_bar, self._bars, self._open_cycle)
        self._failure_logged = 0.0
        self._missed_writes = False
        self._ready = threading.Event()
        self._stopping = threading.Event()
        # Held while a confirmed candle is on its way to a decision; quotes, which come at the same moment, wait.
        candles_first = threading.Lock()
        self._candles_first = candles_first
        slower = 1.0 if speed == "lockstep" else 1 / speed
        self._watch = ChannelWatch(flowing=speed != "lockstep", slower=slower)
        self._mender = Mender(exchange, writer, cache, store, self._bars, self._history_complete)
        self._intake = CandleIntake(
            writer, store, self._watch, self._mender, candles_first,
            decision_bar=settings.decision_bar, on_confirmed=self._confirmed,
        )  # fmt: skip
        self._board = QuoteBoard(
            writer, self._watch, on_funding=store.put_funding,
            on_broken=lambda key: self._public.resubscribe([key]),
        )  # fmt: skip
        self._alerts = MarketWatch(
            cache.redis, cache, self._board, lambda: self._instruments.current,
            cooldown_min=settings.market_alert_cooldown_min,
        )  # fmt: skip
        base = settings.okx_ws_url.rstrip("/") + "/ws/v5"
        self._business = Subscriptions(
            "business", f"{base}/business",
            on_message=self._candle_push, on_connected=self._candles_connected, on_drained=lambda: None,
        )  # fmt: skip
        self._public = Subscriptions(
            "public", f"{base}/public",
            on_message=self._board.push, on_connected=self._quotes_connected, on_drained=self._write_quotes,
        )  # fmt: skip
        self._watcher = threading.Thread(target=self._watch_over, name="watch", daemon=True)

    def start(self) -> None:
        """Begin; history and live pushes join in Redis, whichever comes first."""
        self._calendar.start()
        self._store.start()
        self._mender.start()
        self._dispatcher.warm()
        self._follow(self._instruments.current)
        self._watcher.start()
        self._alerts.start()

    @property
    def ready(self) -> bool:
        """Whether history is in Redis."""
        return self._ready.is_set()

    def healthy(self) -> bool:
        """Whether every thread works."""
        parts = (self._business, self._public, self._mender, self._store, self._calendar, self._alerts)
        return self._watcher.is_alive() and all(part.alive for part in parts)

    def stop(self) -> None:
        """Sockets first, so that nothing new comes; then what is queued is written."""
        self._stopping.set()
        self._alerts.stop()
        self._watcher.join(5)
        self._business.stop()
        self._public.stop()
        self._calendar.stop()
        self._mender.stop()
        self._store.stop()
        self._dispatcher.close()
        self._writer.close()
        self._exchange.close()

    # What is followed.

    def _follow(self, inst_ids: tuple[str, ...]) -> None:
        """These, too: their history, their candles, their quotes."""
        self._mender.catch_up((inst_id, bar) for bar in self._bars for inst_id in inst_ids)
        self._business.add(candle_args(inst_ids, self._bars))
        self._public.add(quote_args(inst_ids, self._settings.book_channel))

    def _follow_no_longer(self, inst_ids: set[str]) -> None:
        for endpoint in (self._business, self._public):
            keys = [key for key in endpoint.keys if key[1] in inst_ids]
            endpoint.remove(keys)
            self._watch.forget(keys)
        self._mender.forget(inst_ids)

    def _change_instruments(self) -> None:
        if self._instruments.changed() and (new := self._followed.change(self._instruments.current)):
            self._follow(new)
            keys = [key for endpoint in (self._business, self._public) for key in endpoint.keys if key[1] in new]
            self._watch.follow(keys, monotonic())
        if gone := self._followed.gone():
            self._follow_no_longer(gone)

    # Candles.

    def _candles_connected(self, socket: str, keys: list[Key], again: bool) -> None:
        if again:
            logger.warning("feed_reconnected", socket=socket)
            FEED_RECONNECTS.labels(SERVICE, socket).inc()
            self._mender.catch_up(_stream(key) for key in keys)
        self._watch.follow(keys, monotonic())

    def _candle_push(self, push: Push) -> None:
        try:
            self._intake.push(push)
        except RedisError as error:
            self._write_failed(error)

    def _confirmed(self, candle: Candle) -> None:
        if self._opens_cycles:
            self._slots.confirmed(candle)

    def _open_cycle(self, inst_id: str, slot: datetime) -> None:
        # Before history is there a decision would rest on a handful of bars; beat opens the slot a moment later.
        if self._ready.is_set():
            self._dispatcher.send("cycle.open", inst_id, slot.isoformat())

    def _history_complete(self) -> None:
        self._ready.set()
        logger.info("indicator_server_started", instruments=list(self._settings.instruments), bars=self._bars)
        announce_ready()

    # Quotes.

    def _quotes_connected(self, socket: str, keys: list[Key], again: bool) -> None:
        """Quotes now rather than with the first push, which may take a minute for funding."""
        if again:
            logger.warning("feed_reconnected", socket=socket)
            FEED_RECONNECTS.labels(SERVICE, socket).inc()
        self._watch.follow(keys, monotonic())
        for inst_id in dict.fromkeys(inst_id for _, inst_id, _ in keys):
            try:
                funding = self._exchange.funding_rate(inst_id)
                quotes = (
                    self._exchange.ticker(inst_id),
                    self._exchange.book(inst_id),
                    self._exchange.mark_price(inst_id),
                    funding,
                    self._exchange.open_interest(inst_id),
                )
                self._writer.write((quote, None) for quote in quotes)
                self._store.put_funding(funding)
            except (ReadFailed, RedisError) as error:
                # Not the others too: this is the socket's own thread, and the pushes will bring them.
                logger.warning("quotes_not_read", inst_id=inst_id, error=str(error))
                return

    def _write_quotes(self) -> None:
        try:
            with self._candles_first:
                self._board.flush()
        except RedisError as error:
            self._write_failed(error)

    # The watch.

    def _watch_over(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            self._change_instruments()
            for silent in self._watch.silent(monotonic()):
                self._mend(silent)
            if self._missed_writes and self._redis_is_back():
                self._missed_writes = False
                self._mender.catch_up(_stream(key) for key in self._business.keys)

    def _mend(self, silent: Silent) -> None:
        channel, inst_id, _ = silent.key
        logger.warning("channel_silent", channel=channel, inst_id=inst_id, why=silent.why, mend=silent.mend.value)
        endpoint = self._business if channel.startswith("candle") else self._public
        if silent.mend is Mend.RESUBSCRIBE:
            endpoint.resubscribe([silent.key])
        else:
            endpoint.reconnect(silent.key, f"{channel} {inst_id} is {silent.why}")
        if channel.startswith("candle"):
            # Not in a minute: the decision of the bar that has just closed waits for it.
            self._mender.catch_up([_stream(silent.key)])

    def _redis_is_back(self) -> bool:
        try:
            return self._writer.answers()
        except RedisError:
            return False

    def _write_failed(self, error: RedisError) -> None:
        self._missed_writes = True
        if monotonic() - self._failure_logged > WRITE_FAILURE_LOG_S:
            self._failure_logged = monotonic()
            logger.error("market_write_failed", error=type(error).__name__)


def _stream(key: Key) -> tuple[str, str]:
    return key[1], key[0].removeprefix("candle")


def build(settings: AnySettings) -> MarketFeed:
    """The market feed of these settings. Raises SettingsError."""
    sys.setswitchinterval(SWITCH_S)
    engine = build_engine(
        database_url(settings),
        SERVICE,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
    )
    sessions = build_sessions(engine)
    redis = build_redis(redis_url(settings), idempotent=True)
    return MarketFeed(
        settings,
        OkxExchange.from_settings(settings, public_only=True),
        MarketWriter(redis),
        MarketCache(redis),
        CandleStore(sessions, keep_days=settings.candle_keep_days),
        Dispatcher(broker_url(settings)),
        EconomicCalendar(redis, settings.economic_calendar),
        sessions,
    )


if __name__ == "__main__":
    sys.exit(run(SERVICE, build))
