"""`python -m feeds.account`: the account feed. Orders, positions, balance and algo orders into the mirror
tables.

After every connect a reconcile is asked for, because nobody knows what happened in between. OKX repeats the account's
state every five seconds: when that channel is empty or falls silent it is subscribed anew, then reconnected, and
reconciled. (Orders, positions and stops speak only when something happens; what they fail to say is found by the
reconcile of each minute.) The control stream is read here too: this process has what a halt needs and nothing that
could hold it up.
"""

import sys
import threading
from time import monotonic

import structlog

from exchange.client import OkxExchange
from exchange.clock import build_clock
from exchange.credentials import load_credentials
from exchange.redis_client import build_redis
from exchange.websocket import Arg, OkxSocket, Push
from exchange.ws_connection import key_of
from execution.binding import read_binding
from execution.context import ExecutionContext
from feeds.channel_watch import ChannelWatch, Mend
from feeds.control import ControlStream
from feeds.dispatch import Dispatcher
from feeds.ingestion import Ingestion
from feeds.service import announce_ready, broker_url, database_url, redis_url, run
from models.session import build_engine, build_sessions
from runtime.counting import FEED_RECONNECTS
from settings import AnySettings

logger = structlog.get_logger()

SERVICE = "account-feed"
WATCH_EVERY_S = 1.0
ACCOUNT: Arg = {"channel": "account"}
PRIVATE: list[Arg] = [
    {"channel": "orders", "instType": "SWAP"},
    {"channel": "positions", "instType": "SWAP"},
    ACCOUNT,
]
BUSINESS: list[Arg] = [{"channel": "orders-algo", "instType": "SWAP"}]


class AccountFeed:
    """Two private sockets, the watch over what they should say, the ingestion thread and the control stream."""

    def __init__(self, settings: AnySettings, ctx: ExecutionContext, dispatcher: Dispatcher, control: ControlStream):
        self._dispatcher = dispatcher
        self._control = control
        self._ingestion = Ingestion(ctx, dispatcher.send)
        self._connected: set[str] = set()
        self._lock = threading.Lock()
        # Pushed by wall time, also where the market stands still.
        self._watch = ChannelWatch(flowing=True)
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch_over, name="watch", daemon=True)
        credentials, base = load_credentials(settings), settings.okx_ws_url.rstrip("/") + "/ws/v5"
        self._sockets = [
            OkxSocket(
                name,
                f"{base}/{name}",
                args,
                on_message=self._push,
                on_connected=lambda again, name=name: self._on_connected(name, again),  # type: ignore[misc]
                credentials=credentials,
            )
            for name, args in (("private", PRIVATE), ("business", BUSINESS))
        ]

    def start(self) -> None:
        """Begin."""
        self._ingestion.start()
        self._control.start()
        self._dispatcher.warm()
        for socket in self._sockets:
            socket.start()
        self._watcher.start()

    def healthy(self) -> bool:
        """Whether every thread works."""
        working = self._watcher.is_alive() and self._ingestion.alive and self._control.alive
        return working and all(socket.alive for socket in self._sockets)

    def stop(self) -> None:
        """Sockets first; then what is queued is ingested."""
        self._stopping.set()
        self._watcher.join(5)
        for socket in self._sockets:
            socket.stop()
        self._control.stop()
        self._ingestion.stop()
        self._dispatcher.close()

    def _push(self, push: Push) -> None:
        if push.channel == ACCOUNT["channel"]:
            self._watch.spoke(key_of(ACCOUNT), monotonic(), 0)
        self._ingestion.push(push)

    def _watch_over(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            for silent in self._watch.silent(monotonic()):
                reason = f"the account channel is {silent.why}"
                logger.warning("channel_silent", channel=silent.key[0], why=silent.why, mend=silent.mend.value)
                socket = next(socket for socket in self._sockets if ACCOUNT in socket.args)
                if silent.mend is Mend.RESUBSCRIBE:
                    socket.resubscribe([ACCOUNT])
                    self._ingestion.connected(reason)
                else:
                    socket.reconnect(reason)

    def _on_connected(self, name: str, again: bool) -> None:
        if again:
            logger.warning("feed_reconnected", socket=name)
            FEED_RECONNECTS.labels(SERVICE, name).inc()
        if name == "private":
            self._watch.follow([key_of(ACCOUNT)], monotonic())
        with self._lock:
            self._connected.add(name)
            complete = len(self._connected) == len(self._sockets)
        if complete:
            self._ingestion.connected(f"{name} socket {'reconnected' if again else 'connected'}")
            announce_ready()


def build_context(settings: AnySettings, service: str, dispatcher: Dispatcher) -> ExecutionContext:
    """What the mirror needs. Raises SettingsError, CredentialsMissing, Refused when nothing is bound yet."""
    engine = build_engine(
        database_url(settings), service, pool_size=settings.db_pool_size, max_overflow=settings.db_max_overflow
    )
    sessions = build_sessions(engine)
    binding = read_binding(sessions)
    return ExecutionContext(
        sessions=sessions,
        exchange=OkxExchange.from_settings(settings),
        clock=build_clock(settings),
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=dispatcher.publish,
    )


def build(settings: AnySettings) -> AccountFeed:
    """The account feed of these settings."""
    dispatcher = Dispatcher(broker_url(settings))
    ctx = build_context(settings, SERVICE, dispatcher)
    control = ControlStream(ctx, build_redis(redis_url(settings), idempotent=True))
    return AccountFeed(settings, ctx, dispatcher, control)


if __name__ == "__main__":
    sys.exit(run(SERVICE, build))
