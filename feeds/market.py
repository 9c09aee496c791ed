"""`python -m feeds.market`: the market feed. Public WebSocket → Redis (the present), PostgreSQL (confirmed
candles).

The moment the candles of a decision slot have confirmed and are in Redis, the cycle's message goes out. In
lockstep the pacer opens the cycles instead. A malformed push is logged and skipped; while Redis does not
answer nothing is written, ages grow and the gate refuses; afterwards a backfill closes the gap.
"""

import sys
import threading
from datetime import datetime, timedelta
from time import monotonic

import structlog
from redis.exceptions import RedisError

from exchange import parse_market
from exchange.client import OkxExchange
from exchange.errors import ReadFailed
from exchange.fields import Row
from exchange.market_writer import MarketWriter
from exchange.redis_client import build_redis
from exchange.websocket import Arg, OkxSocket, Push
from feeds.backfill import Backfill
from feeds.calendar import EconomicCalendar
from feeds.candle_store import CandleStore
from feeds.dispatch import Dispatcher
from feeds.service import announce_ready, broker_url, database_url, redis_url, run
from feeds.slots import SlotGate
from models.session import build_engine, build_sessions
from runtime.counting import FEED_RECONNECTS
from settings import AnySettings, PaperSettings
from trading.candle import BAR_SECONDS, Candle
from trading.clock import wall_ms

logger = structlog.get_logger()

SERVICE = "market-feed"
FRAMES = ("5m", "15m", "1H", "4H")
PUBLIC_CHANNELS = ("tickers", "books5", "mark-price", "funding-rate", "open-interest")
FORMING_EVERY_S = 1.0
# A thread that wants to go on waits this long for one that computes; Python's own 5 ms would delay every decision.
SWITCH_S = 0.0005
WRITE_FAILURE_LOG_S = 5.0


class MarketFeed:
    """Two sockets (business: candles; public: the rest), the backfill and the candle store."""

    def __init__(self, settings: AnySettings, exchange: OkxExchange, writer: MarketWriter, store: CandleStore,
                 dispatcher: Dispatcher, calendar: EconomicCalendar) -> None:  # fmt: skip
        self._settings = settings
        self._calendar = calendar
        self._exchange = exchange
        self._writer = writer
        self._store = store
        self._dispatcher = dispatcher
        self._opens_cycles = not (isinstance(settings, PaperSettings) and settings.paper_speed == "lockstep")
        inst_ids = settings.instruments
        self._bars = tuple(dict.fromkeys((settings.decision_bar, *FRAMES)))
        self._slots = SlotGate(settings.decision_bar, self._bars, self._open_cycle)
        self._backfill = Backfill(exchange, writer, store, inst_ids, self._bars, self._backfilled)
        self._last_confirmed: dict[tuple[str, str], datetime] = {}
        self._last_forming: dict[tuple[str, str], float] = {}
        self._failure_logged = 0.0
        self._missed_writes = False
        self._ready = threading.Event()
        # Held while a confirmed candle is on its way to a decision; quotes, which come at the same moment, wait.
        self._candles_first = threading.Lock()
        # By bar: where pushes come in the order of subscription, no instrument's decision waits for another's 4H.
        candles: list[Arg] = [
            {"channel": f"candle{bar}", "instId": inst_id} for bar in self._bars for inst_id in inst_ids
        ]
        quotes: list[Arg] = [
            {"channel": channel, "instId": inst_id} for inst_id in inst_ids for channel in PUBLIC_CHANNELS
        ]
        base = settings.okx_ws_url.rstrip("/") + "/ws/v5"
        self._business = OkxSocket(
            "business",
            f"{base}/business",
            candles,
            on_message=self._candle_push,
            on_connected=self._candles_connected,
        )
        self._public = OkxSocket(
            "public",
            f"{base}/public",
            quotes,
            on_message=self._quote_push,
            on_connected=self._quotes_connected,
        )

    def start(self) -> None:
        """Begin; history and live pushes join in Redis, whichever comes first."""
        self._calendar.start()
        self._store.start()
        self._backfill.start()
        self._dispatcher.warm()
        self._business.start()
        self._public.start()

    @property
    def ready(self) -> bool:
        """Whether history is in Redis."""
        return self._ready.is_set()

    def healthy(self) -> bool:
        """Whether every thread works."""
        parts = (self._business, self._public, self._backfill, self._store, self._calendar)
        return all(part.alive for part in parts)

    def stop(self) -> None:
        """Sockets first, so that nothing new comes; then what is queued is written."""
        self._business.stop()
        self._public.stop()
        self._calendar.stop()
        self._backfill.stop()
        self._store.stop()
        self._dispatcher.close()
        self._writer.close()
        self._exchange.close()

    def _candles_connected(self, again: bool) -> None:
        if again:
            logger.warning("feed_reconnected", socket="business")
            FEED_RECONNECTS.labels(SERVICE, "business").inc()
        self._last_confirmed.clear()
        self._backfill.request("reconnect" if again else "start")

    def _quotes_connected(self, again: bool) -> None:
        """Quotes now rather than with the first push, which may take a minute for funding."""
        if again:
            logger.warning("feed_reconnected", socket="public")
            FEED_RECONNECTS.labels(SERVICE, "public").inc()
        for inst_id in self._settings.instruments:
            try:
                self._writer.ticker(self._exchange.ticker(inst_id))
                self._writer.book(self._exchange.book(inst_id))
                self._writer.mark(self._exchange.mark_price(inst_id))
                funding = self._exchange.funding_rate(inst_id)
                self._writer.funding(funding)
                self._store.put_funding(funding)
                self._writer.open_interest(self._exchange.open_interest(inst_id))
            except (ReadFailed, RedisError) as error:
                # Not the others too: this is the socket's own thread, and the pushes will bring them.
                logger.warning("quotes_not_read", inst_id=inst_id, error=str(error))
                return

    def _backfilled(self) -> None:
        if not self._ready.is_set():
            self._ready.set()
            logger.info("indicator_server_started", instruments=list(self._settings.instruments), bars=self._bars)
            announce_ready()

    def _candle_push(self, push: Push) -> None:
        bar, inst_id = push.channel.removeprefix("candle"), str(push.arg.get("instId", ""))
        for row in push.data:
            try:
                candle = parse_market.candle(inst_id, bar, row)
                if candle.confirmed:
                    with self._candles_first:
                        added = self._confirmed(candle, push.received_ms)
                    self._confirmed_after(candle, push.received_ms, added)
                else:
                    self._forming(candle, push.received_ms)
            except ReadFailed as error:
                logger.warning("push_malformed", channel=push.channel, error=str(error))
            except RedisError as error:
                self._write_failed(error)

    def _confirmed(self, candle: Candle, received_ms: int) -> bool:
        """What a decision waits for, and nothing else. Whether the candle was new."""
        added = self._writer.confirm(candle, received_ms)
        if self._opens_cycles:
            self._slots.confirmed(candle)
        return added

    def _confirmed_after(self, candle: Candle, received_ms: int, added: bool) -> None:
        took_ms = wall_ms() - received_ms
        key = (candle.inst_id, candle.bar)
        before, self._last_confirmed[key] = self._last_confirmed.get(key), candle.ts
        self._store.put([candle])
        if before is not None and candle.ts - before > timedelta(seconds=BAR_SECONDS[candle.bar]):
            self._backfill.request("gap")
        if self._missed_writes:
            self._missed_writes = False
            self._backfill.request("redis is back")
        if candle.bar == self._settings.decision_bar:
            logger.info(
                "candle_confirmed", inst_id=candle.inst_id, bar=candle.bar, slot=candle.closes_at.isoformat(),
                new=added, took_ms=took_ms,
            )  # fmt: skip

    def _forming(self, candle: Candle, received_ms: int) -> None:
        key, now = (candle.inst_id, candle.bar), monotonic()
        if now - self._last_forming.get(key, 0.0) >= FORMING_EVERY_S:
            self._last_forming[key] = now
            self._writer.form(candle, received_ms)

    def _open_cycle(self, inst_id: str, slot: datetime) -> None:
        # Before history is there a decision would rest on a handful of bars; beat opens the slot a moment later.
        if self._ready.is_set():
            self._dispatcher.send("cycle.open", inst_id, slot.isoformat())

    def _quote_push(self, push: Push) -> None:
        try:
            for row in push.data:
                with self._candles_first:
                    self._quote(push, row)
        except ReadFailed as error:
            logger.warning("push_malformed", channel=push.channel, error=str(error))
        except RedisError as error:
            self._write_failed(error)

    def _quote(self, push: Push, row: Row) -> None:
        at = push.received_ms
        match push.channel:
            case "tickers":
                self._writer.ticker(parse_market.ticker(row), at)
            case "books5":
                self._writer.book(parse_market.book(str(push.arg.get("instId", "")), row), at)
            case "mark-price":
                self._writer.mark(parse_market.mark_price(row), at)
            case "open-interest":
                self._writer.open_interest(parse_market.open_interest(row), at)
            case "funding-rate":
                funding = parse_market.funding(row)
                self._writer.funding(funding, at)
                self._store.put_funding(funding)
            case unexpected:
                logger.warning("push_unexpected", channel=unexpected)

    def _write_failed(self, error: RedisError) -> None:
        self._missed_writes = True
        if monotonic() - self._failure_logged > WRITE_FAILURE_LOG_S:
            self._failure_logged = monotonic()
            logger.error("market_write_failed", error=type(error).__name__)


def build(settings: AnySettings) -> MarketFeed:
    """The market feed of these settings. Raises SettingsError."""
    sys.setswitchinterval(SWITCH_S)
    engine = build_engine(
        database_url(settings),
        SERVICE,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
    )
    redis = build_redis(redis_url(settings), idempotent=True)
    return MarketFeed(
        settings,
        OkxExchange.from_settings(settings, public_only=True),
        MarketWriter(redis),
        CandleStore(build_sessions(engine)),
        Dispatcher(broker_url(settings)),
        EconomicCalendar(redis, settings.economic_calendar),
    )


if __name__ == "__main__":
    sys.exit(run(SERVICE, build))
