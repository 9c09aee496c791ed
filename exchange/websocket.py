"""A subscription to one OKX endpoint that keeps itself alive: pings, reconnects, handovers before an upgrade.

Contract: pushes reach `on_message` in the order received, on the socket's own thread;
`on_connected(again)` is called on that thread once every subscription is acknowledged, `again` telling a
reconnect from the first time; `on_drained` whenever all that was received has been handed over, and every few
milliseconds in a flood. `thin` may choose, of the raw messages that have come at once, those worth handing over.
Whatever ends a connection (close, silence, refused or missing acknowledgement) leads to a
new one with growing, jittered waits. At the notice of an upgrade the next connection is complete before the old one
is given up, and what the old one still holds is handed over first. An exception of a handler is a bug: it ends the
thread, and `failed` says so.
"""

import random
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import structlog
import websocket

from exchange.credentials import Credentials
from exchange.ws_connection import (
    UPGRADE_NOTICE,
    Arg,
    Connection,
    ConnectionEnded,
    Key,
    Push,
    key_of,
    message_of,
    push_of,
    spacing,
)

__all__ = ["Arg", "OkxSocket", "Push"]

logger = structlog.get_logger()

ACK_TIMEOUT_S = 10.0
TICK_S = 1.0
PING_AFTER_S = 20.0  # OKX drops a connection after 30 s of silence
PONG_WITHIN_S = 8.0
# Who waits is blind: fills and stops are then seen by the reads of reconciliation alone. The spacing of connects, not
# the wait, is what keeps us within OKX's limit.
FIRST_WAIT_S, LONGEST_WAIT_S, STABLE_S = 0.5, 4.0, 5.0
DRAIN_EVERY_S = 0.005
HANDOVER_AGAIN_S = 5.0
ENDINGS = (ConnectionEnded, websocket.WebSocketException, OSError, ValueError)


class OkxSocket:
    """Subscriptions on one endpoint. `start()`, later `stop()`; `change` and `resubscribe` from any thread."""

    def __init__(
        self,
        name: str,
        url: str,
        args: Sequence[Arg],
        *,
        on_message: Callable[[Push], None],
        on_connected: Callable[[bool], None],
        on_drained: Callable[[], None] = lambda: None,
        thin: Callable[[list[bytes]], Collection[bytes]] = lambda payloads: payloads,
        credentials: Credentials | None = None,
        ping_after_s: float = PING_AFTER_S,
        pong_within_s: float = PONG_WITHIN_S,
        ack_within_s: float = ACK_TIMEOUT_S,
    ) -> None:
        self.name = name
        self._url = url
        self._args = list(args)
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_drained = on_drained
        self._thin = thin
        self.received = 0
        self._credentials = credentials
        self._ping_after_s, self._pong_within_s, self._ack_within_s = ping_after_s, pong_within_s, ack_within_s
        self._stopping = threading.Event()
        self._connection: Connection | None = None
        self._orders: SimpleQueue[tuple[str, list[Arg]]] = SimpleQueue()
        self._awaited: dict[Key, float] = {}
        self._handover_at: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"socket-{name}", daemon=True)
        self._connected_before = False
        self.failed = False

    def start(self) -> None:
        """Connect and go on until `stop`."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the connection and end the thread."""
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            connection.abort()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether its thread still works for us."""
        return self._thread.is_alive()

    @property
    def args(self) -> list[Arg]:
        """What it is, or is about to be, subscribed to."""
        return list(self._args)

    def change(self, *, add: Iterable[Arg] = (), remove: Iterable[Arg] = ()) -> None:
        """Subscribe and unsubscribe while it runs; within a second, or with the next message."""
        gone = {key_of(arg) for arg in remove}
        new = list(add)
        self._args = [arg for arg in self._args if key_of(arg) not in gone] + new
        self._orders.put(("unsubscribe", list(remove)))
        self._orders.put(("subscribe", new))

    def resubscribe(self, args: Sequence[Arg]) -> None:
        """Take these subscriptions back and make them again: what is acknowledged but silent may begin to speak."""
        self._orders.put(("unsubscribe", list(args)))
        self._orders.put(("subscribe", list(args)))

    def reconnect(self, reason: str) -> None:
        """Give the connection up for a new one."""
        self._orders.put((reason, []))

    def _run(self) -> None:
        wait = FIRST_WAIT_S
        try:
            while not self._stopping.is_set():
                started = monotonic()
                try:
                    self._live()
                except ENDINGS as error:
                    reason = str(error) if isinstance(error, ConnectionEnded) else f"{type(error).__name__}: {error}"
                else:
                    reason = "stopped"
                finally:
                    self._close()
                if self._stopping.is_set():
                    return
                if monotonic() - started > STABLE_S:
                    wait = FIRST_WAIT_S
                pause = wait * random.uniform(0.5, 1.0)  # jitter
                logger.warning("socket_reconnecting", socket=self.name, reason=reason, wait_s=round(pause, 2))
                wait = min(wait * 2, LONGEST_WAIT_S)
                self._stopping.wait(pause)
        except Exception:
            self.failed = True
            logger.exception("socket_failed", socket=self.name)
            raise

    def _live(self) -> None:
        self._stopping.wait(spacing.wait_s())
        if self._stopping.is_set():
            return
        self._connection = self._open()
        self._begin(self._connection)
        self._read()

    def _open(self) -> Connection:
        """A connection with every subscription acknowledged."""
        while not self._orders.empty():
            self._orders.get_nowait()  # a new connection has them all
        connection = Connection(
            self.name, self._url, tick_s=min(TICK_S, self._ping_after_s / 2),
            ack_within_s=self._ack_within_s, stopping=self._stopping,
        )  # fmt: skip
        try:
            if self._credentials is not None:
                connection.login(self._credentials)
            connection.subscribe(self._args)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self, connection: Connection) -> None:
        again, self._connected_before = self._connected_before, True
        self._awaited.clear()
        logger.info("socket_connected", socket=self.name, again=again)
        self._on_connected(again)
        early, connection.early = connection.early, []
        for push in early:
            self._on_message(push)
        self._on_drained()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._handover_at = None
        if connection is not None:
            connection.close()

    def _read(self) -> None:
        heard, pinged, drained = monotonic(), False, monotonic()
        while not self._stopping.is_set() and self._connection is not None:
            connection = self._connection
            payloads = connection.receive()
            now = monotonic()
            if not payloads:
                silent = now - heard
                if not pinged and silent > self._ping_after_s:
                    connection.ping()
                    pinged = True
                elif pinged and silent > self._ping_after_s + self._pong_within_s:
                    raise ConnectionEnded("no answer to ping")
            else:
                heard, pinged = now, False
                self.received += len(payloads)
                for payload in self._thin(payloads):
                    self._take(connection, message_of(payload))
                if not connection.pending or now - drained > DRAIN_EVERY_S:
                    self._on_drained()
                    drained = now
            if not payloads or not connection.pending:
                self._obey(connection, now)

    def _take(self, connection: Connection, message: dict[str, Any]) -> None:
        if "data" in message and "event" not in message:
            self._on_message(push_of(message))
        elif message.get("event") == "subscribe":
            self._awaited.pop(key_of(message.get("arg") or {}), None)
        elif message.get("event") == "notice" and str(message.get("code")) == UPGRADE_NOTICE:
            logger.warning("socket_upgrade_announced", socket=self.name)
            self._handover_at = monotonic()
        elif message:
            connection.heed(message)

    def _obey(self, connection: Connection, now: float) -> None:
        """What other threads asked for, acknowledgements that are overdue, and a handover that is due."""
        try:
            while True:
                op, args = self._orders.get_nowait()
                if op == "subscribe":
                    self._awaited |= {key_of(arg): now + self._ack_within_s for arg in args}
                elif op != "unsubscribe":
                    raise ConnectionEnded(op)
                connection.ask(op, args)
        except Empty:
            pass
        if any(deadline < now for deadline in self._awaited.values()):
            raise ConnectionEnded(f"no acknowledgement of {len(self._awaited)} subscriptions")
        if self._handover_at is not None and now >= self._handover_at:
            self._hand_over(connection)

    def _hand_over(self, old: Connection) -> None:
        """The next connection first, then what the old one still holds, then its end."""
        self._stopping.wait(spacing.wait_s())
        try:
            new = self._open()
        except ENDINGS as error:
            # The old one works until the exchange drops it.
            logger.warning("socket_handover_failed", socket=self.name, reason=str(error), again_in_s=HANDOVER_AGAIN_S)
            self._handover_at = monotonic() + HANDOVER_AGAIN_S
            return
        self._handover_at = None
        try:
            while old.waiting() and (message := old.next()) is not None:
                if "data" in message and "event" not in message:
                    self._on_message(push_of(message))
        except ENDINGS:
            pass  # it was dropped meanwhile, which no longer matters
        old.close()
        self._connection = new
        self._begin(new)
