"""One open WebSocket to an OKX endpoint: login, subscriptions, messages; it never reconnects.

Whatever ends it is a `ConnectionEnded`, a `websocket.WebSocketException`, an `OSError` or (for what is no JSON) a
`ValueError`. Pushes that come before an acknowledgement are kept in `early`. Not thread-safe but for `abort`.
"""

import base64
import hashlib
import hmac
import select
import socket
import threading
from collections import deque
from collections.abc import Sequence
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
ARGS_PER_MESSAGE = 20
# OKX: 480 subscribes, unsubscribes and logins an hour and connection.
REQUESTS_PER_HOUR, HOUR_S = 470, 3600.0
UPGRADE_NOTICE = "64008"
# OKX allows three new connections a second and address; two feeds of ours share it.
CONNECT_SPACING_S = 0.7
# In bytes; the larger one while more comes than the smaller one holds.
READ_AHEAD, READ_AHEAD_IN_FLOOD = 65_536, 262_144
WHOLE_TEXT, TWO_BYTE_LENGTH = 0x81, 126

Arg = dict[str, str]
Key = tuple[str, str, str]
"""Channel, instId, instType."""


@dataclass(frozen=True, slots=True)
class Push:
    """One push. `arg` as OKX sent it (private pushes add `uid`); `received_ms` wall time."""

    channel: str
    arg: dict[str, Any]
    data: list[Any]
    action: str
    event_type: str
    received_ms: int


class ConnectionEnded(Exception):
    """The connection is of no more use; `str()` says why."""


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


spacing = _Spacing()


class _ReadAhead:
    """A socket read in large pieces: websocket-client asks for each part of a frame apart, a system call each.

    What is most of the traffic, whole text frames, is cut out here; everything else is left to websocket-client.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = b""
        self._at = 0
        self._most = READ_AHEAD

    def recv(self, size: int) -> bytes:
        if self._at == len(self._held):
            self._held = self._sock.recv(self._most)
            self._most = READ_AHEAD_IN_FLOOD if len(self._held) >= READ_AHEAD else READ_AHEAD
            self._at = 0
        part = self._held[self._at : self._at + size]
        self._at += len(part)
        return part

    def frames(self) -> list[bytes]:
        """What the whole, unmasked text frames say that lie here already, up to the first that is something else."""
        held, at, end, found = self._held, self._at, len(self._held), []
        while at + 4 <= end and held[at] == WHOLE_TEXT:
            length, start = held[at + 1], at + 2
            if length == TWO_BYTE_LENGTH:
                length, start = held[at + 2] << 8 | held[at + 3], at + 4
            elif length > TWO_BYTE_LENGTH:
                break
            if start + length > end:
                break
            at = start + length
            found.append(held[start:at])
        self._at = at
        return found

    @property
    def pending(self) -> bool:
        return self._at < len(self._held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Connection:
    """An open connection. `tick_s`: how long `next` waits for a message."""

    def __init__(self, name: str, url: str, *, tick_s: float, ack_within_s: float, stopping: threading.Event) -> None:
        self._name = name
        self._ack_within_s = ack_within_s
        self._stopping = stopping
        self._asked: deque[float] = deque()
        self._ready: deque[bytes] = deque()
        self._in_frame = False  # websocket-client may hold the beginning of a frame
        self.early: list[Push] = []
        # Any: the library does not foresee the socket read ahead that it is given below.
        opened: Any = websocket.create_connection(
            url, timeout=CONNECT_TIMEOUT_S, enable_multithread=False, skip_utf8_validation=True
        )
        self._socket = opened
        self._read_ahead = _ReadAhead(self._socket.sock)
        self._socket.sock = self._read_ahead
        self._socket.settimeout(tick_s)

    @property
    def pending(self) -> bool:
        """Whether more has been received already."""
        return bool(self._ready) or self._read_ahead.pending

    def waiting(self) -> bool:
        """Whether `next` would find something at once."""
        return self.pending or bool(select.select([self._read_ahead.fileno()], [], [], 0)[0])

    def abort(self) -> None:
        """Wake a blocked `next` from another thread, which closing alone does not."""
        try:
            self._socket.abort()
        except OSError:
            pass  # it has just ended by itself

    def close(self) -> None:
        try:
            self._socket.send_close()
        except (websocket.WebSocketException, OSError):
            pass  # it was broken already, which is why it is closed
        self._socket.shutdown()

    def ping(self) -> None:
        self._socket.send("ping")

    def login(self, credentials: Credentials) -> None:
        stamp = str(wall_ms() // 1000)
        prehash = f"{stamp}GET/users/self/verify".encode()
        sign = base64.b64encode(hmac.new(credentials.secret_key.encode(), prehash, hashlib.sha256).digest())
        signed = {"apiKey": credentials.api_key, "passphrase": credentials.passphrase, "timestamp": stamp}
        self._request("login", [{**signed, "sign": sign.decode()}])
        deadline = monotonic() + self._ack_within_s
        while True:
            message = self._receive(deadline, "login")
            if message.get("event") == "login" and str(message.get("code")) == "0":
                return
            self.heed(message)

    def subscribe(self, args: Sequence[Arg]) -> None:
        """Subscribe and wait for every acknowledgement."""
        missing = {key_of(arg) for arg in args}
        self.ask("subscribe", args)
        deadline = monotonic() + self._ack_within_s
        while missing:
            message = self._receive(deadline, f"acknowledgement of {len(missing)} subscriptions")
            if message.get("event") == "subscribe":
                missing.discard(key_of(message.get("arg") or {}))
            elif "data" in message and "event" not in message:
                self.early.append(push_of(message))
            else:
                self.heed(message)

    def ask(self, op: str, args: Sequence[Arg]) -> None:
        """Send `subscribe` or `unsubscribe` in portions, not waiting for an answer."""
        for start in range(0, len(args), ARGS_PER_MESSAGE):
            self._request(op, list(args[start : start + ARGS_PER_MESSAGE]))

    def heed(self, message: dict[str, Any]) -> None:
        """What is neither data nor an awaited acknowledgement. Raises ConnectionEnded for an error."""
        event, code = message.get("event"), str(message.get("code", ""))
        if event in ("error", "channel-conn-count-error"):
            logger.error("socket_refused", socket=self._name, code=code, message=str(message.get("msg", ""))[:200])
            raise ConnectionEnded(f"{event} {code}")

    def receive(self) -> list[bytes]:
        """Every message that lies ready, or the next one; none when none came within a tick. Raises ConnectionEnded
        when closed.
        """
        ready = [*self._ready]
        self._ready.clear()
        if not self._in_frame:
            ready += self._read_ahead.frames()
        if ready:
            return ready
        self._in_frame = True
        try:
            opcode, received = self._socket.recv_data()
        except websocket.WebSocketTimeoutException:
            return []
        self._in_frame = False
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = int.from_bytes(received[:2], "big") if len(received) >= 2 else "none"
            raise ConnectionEnded(f"closed by the exchange (code {code})")
        return [received, *self._read_ahead.frames()]

    def next(self) -> dict[str, Any] | None:
        """The next message, {} for a pong, None when none came within a tick. Raises ConnectionEnded when closed."""
        self._ready.extend(self.receive())
        return message_of(self._ready.popleft()) if self._ready else None

    def _request(self, op: str, args: list[dict[str, str]]) -> None:
        now = monotonic()
        while self._asked and self._asked[0] <= now - HOUR_S:
            self._asked.popleft()
        if len(self._asked) >= REQUESTS_PER_HOUR:
            raise ConnectionEnded(f"{REQUESTS_PER_HOUR} requests within the hour; a new connection may ask again")
        self._asked.append(now)
        self._socket.send(orjson.dumps({"op": op, "args": args}).decode())

    def _receive(self, deadline: float, awaited: str) -> dict[str, Any]:
        while monotonic() < deadline:
            if self._stopping.is_set():
                raise ConnectionEnded("stopping")
            message = self.next()
            if message is not None:
                return message
        raise ConnectionEnded(f"no {awaited} within {self._ack_within_s:g} s")


def message_of(payload: bytes) -> dict[str, Any]:
    """A message as read, {} for a pong. Raises ValueError for what is no JSON."""
    if payload == b"pong":
        return {}
    message = orjson.loads(payload)
    return message if isinstance(message, dict) else {}


def key_of(arg: dict[str, Any]) -> Key:
    """What tells subscriptions apart."""
    return str(arg.get("channel", "")), str(arg.get("instId") or ""), str(arg.get("instType") or "")


def push_of(message: dict[str, Any]) -> Push:
    """A message with data as a push; of one that is not as OKX documents it, what there is."""
    arg, data = message.get("arg"), message.get("data")
    arg = arg if isinstance(arg, dict) else {}
    return Push(
        channel=str(arg.get("channel", "")),
        arg=arg,
        data=data if isinstance(data, list) else [],
        action=str(message.get("action") or ""),
        event_type=str(message.get("eventType") or ""),
        received_ms=wall_ms(),
    )
