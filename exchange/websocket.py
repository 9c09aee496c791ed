"""One OKX WebSocket connection that keeps itself alive: login, acknowledged subscriptions, pings, reconnects.

Contract: pushes reach `on_message` in the order received, on the connection's own thread;
`on_connected(again)` is called on that thread once every subscription is acknowledged, `again` telling a
reconnect from the first time. Whatever ends a connection (close, silence, refused or missing acknowledgement,
upgrade notice) leads to a new one with growing, jittered waits. An exception of a handler is a bug: it ends
the thread, and `failed` says so.
"""

import base64
import hashlib
import hmac
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import orjson
import structlog
import websocket

from exchange.credentials import Credentials
from trading.clock import wall_ms

logger = structlog.get_logger()

CONNECT_TIMEOUT_S = 10.0
ACK_TIMEOUT_S = 10.0
TICK_S = 1.0
PING_AFTER_S = 20.0  # OKX drops a connection after 30 s of silence
PONG_WITHIN_S = 8.0
ARGS_PER_MESSAGE = 20
# Who waits is blind: fills and stops are then seen by the reads of reconciliation alone. The spacing below, not the
# wait, is what keeps us within OKX's limit.
FIRST_WAIT_S, LONGEST_WAIT_S, STABLE_S = 0.5, 4.0, 5.0
UPGRADE_NOTICE = "64008"
CONNECT_SPACING_S = 0.4  # OKX allows three new connections a second per address

Arg = dict[str, str]


@dataclass(frozen=True, slots=True)
class Push:
    """One push. `arg` as OKX sent it (private pushes add `uid`); `received_ms` wall time."""

    channel: str
    arg: dict[str, Any]
    data: list[Any]
    action: str
    event_type: str
    received_ms: int


class _Reconnect(Exception):
    """Ends the present connection; `now` skips the wait."""

    def __init__(self, reason: str, *, now: bool = False) -> None:
        super().__init__(reason)
        self.now = now


class _Spacing:
    """No two connects of this process closer than OKX allows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def wait_s(self) -> float:
        with self._lock:
            at = max(monotonic(), self._next)
            self._next = at + CONNECT_SPACING_S
            return at - monotonic()


_spacing = _Spacing()


class OkxSocket:
    """A connection to one endpoint with a fixed set of subscriptions. `start()`, later `stop()`."""

    def __init__(
        self,
        name: str,
        url: str,
        args: Sequence[Arg],
        *,
        on_message: Callable[[Push], None],
        on_connected: Callable[[bool], None],
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
        self._credentials = credentials
        self._ping_after_s, self._pong_within_s, self._ack_within_s = ping_after_s, pong_within_s, ack_within_s
        self._stopping = threading.Event()
        self._socket: Any = None
        self._thread = threading.Thread(target=self._run, name=f"socket-{name}", daemon=True)
        self._connected_before = False
        self.failed = False

    def start(self) -> None:
        """Connect and go on until `stop`."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close the connection and end the thread."""
        self._stopping.set()
        socket = self._socket
        if socket is not None:
            try:
                socket.abort()  # wakes a blocked receive, which closing alone does not
            except OSError:
                pass  # it has just ended by itself
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether its thread still works for us."""
        return self._thread.is_alive()

    def _run(self) -> None:
        wait = FIRST_WAIT_S
        try:
            while not self._stopping.is_set():
                started, again_now = monotonic(), False
                try:
                    self._live()
                except _Reconnect as ended:
                    again_now = ended.now
                    reason = str(ended)
                except (websocket.WebSocketException, OSError, ValueError) as error:
                    reason = f"{type(error).__name__}: {error}"
                else:
                    reason = "stopped"
                finally:
                    self._close()
                if self._stopping.is_set():
                    return
                if again_now or monotonic() - started > STABLE_S:
                    wait = FIRST_WAIT_S
                pause = 0.0 if again_now else wait * random.uniform(0.5, 1.0)  # jitter
                logger.warning("socket_reconnecting", socket=self.name, reason=reason, wait_s=round(pause, 2))
                wait = min(wait * 2, LONGEST_WAIT_S)
                self._stopping.wait(pause)
        except Exception:
            self.failed = True
            logger.exception("socket_failed", socket=self.name)
            raise

    def _live(self) -> None:
        self._stopping.wait(_spacing.wait_s())
        if self._stopping.is_set():
            return
        self._socket = websocket.create_connection(
            self._url, timeout=CONNECT_TIMEOUT_S, enable_multithread=False, skip_utf8_validation=True
        )
        self._socket.settimeout(min(TICK_S, self._ping_after_s / 2))
        early: list[Push] = []
        if self._credentials is not None:
            self._login(self._credentials)
        self._subscribe(early)
        again, self._connected_before = self._connected_before, True
        logger.info("socket_connected", socket=self.name, again=again)
        self._on_connected(again)
        for push in early:
            self._on_message(push)
        self._read()

    def _close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                socket.send_close()
            except (websocket.WebSocketException, OSError):
                pass  # it was broken already, which is why we are here
            socket.shutdown()

    def _login(self, credentials: Credentials) -> None:
        stamp = str(wall_ms() // 1000)
        prehash = f"{stamp}GET/users/self/verify".encode()
        sign = base64.b64encode(hmac.new(credentials.secret_key.encode(), prehash, hashlib.sha256).digest())
        self._send(
            {
                "op": "login",
                "args": [
                    {
                        "apiKey": credentials.api_key,
                        "passphrase": credentials.passphrase,
                        "timestamp": stamp,
                        "sign": sign.decode(),
                    }
                ],
            }
        )
        deadline = monotonic() + self._ack_within_s
        while True:
            message = self._receive(deadline, "login")
            if message.get("event") == "login" and str(message.get("code")) == "0":
                return
            self._heed(message)

    def _subscribe(self, early: list[Push]) -> None:
        missing = {_key(arg) for arg in self._args}
        for start in range(0, len(self._args), ARGS_PER_MESSAGE):
            self._send({"op": "subscribe", "args": self._args[start : start + ARGS_PER_MESSAGE]})
        deadline = monotonic() + self._ack_within_s
        while missing:
            message = self._receive(deadline, f"acknowledgement of {len(missing)} subscriptions")
            if message.get("event") == "subscribe":
                missing.discard(_key(message.get("arg") or {}))
            elif "data" in message and "event" not in message:
                early.append(_push(message))
            else:
                self._heed(message)

    def _read(self) -> None:
        heard, pinged = monotonic(), False
        while not self._stopping.is_set():
            message = self._next()
            now = monotonic()
            if message is None:
                silent = now - heard
                if not pinged and silent > self._ping_after_s:
                    self._socket.send("ping")
                    pinged = True
                elif pinged and silent > self._ping_after_s + self._pong_within_s:
                    raise _Reconnect("no answer to ping")
                continue
            heard, pinged = now, False
            if "data" in message and "event" not in message:
                self._on_message(_push(message))
            elif message:
                self._heed(message)

    def _heed(self, message: dict[str, Any]) -> None:
        """What is neither data nor the expected acknowledgement."""
        event, code = message.get("event"), str(message.get("code", ""))
        if event == "notice" and code == UPGRADE_NOTICE:
            raise _Reconnect("service upgrade announced", now=True)
        if event in ("error", "channel-conn-count-error"):
            logger.error("socket_refused", socket=self.name, code=code, message=str(message.get("msg", ""))[:200])
            raise _Reconnect(f"{event} {code}")

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(orjson.dumps(message).decode())

    def _receive(self, deadline: float, awaited: str) -> dict[str, Any]:
        while monotonic() < deadline:
            if self._stopping.is_set():
                raise _Reconnect("stopping")
            message = self._next()
            if message is not None:
                return message
        raise _Reconnect(f"no {awaited} within {self._ack_within_s:g} s")

    def _next(self) -> dict[str, Any] | None:
        """The next message, {} for a pong, None when none came within a tick."""
        try:
            received = self._socket.recv()
        except websocket.WebSocketTimeoutException:
            return None
        if not received:
            raise _Reconnect("closed by the exchange")
        if received in ("pong", b"pong"):
            return {}
        message = orjson.loads(received)
        return message if isinstance(message, dict) else {}


def _key(arg: dict[str, Any]) -> tuple[str, str, str]:
    return str(arg.get("channel", "")), str(arg.get("instId") or ""), str(arg.get("instType") or "")


def _push(message: dict[str, Any]) -> Push:
    arg = message.get("arg") or {}
    return Push(
        channel=str(arg.get("channel", "")),
        arg=arg,
        data=message.get("data") or [],
        action=str(message.get("action") or ""),
        event_type=str(message.get("eventType") or ""),
        received_ms=wall_ms(),
    )
