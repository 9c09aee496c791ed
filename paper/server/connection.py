"""One WebSocket connection: its subscriptions, and its messages on their way out.

Messages are framed here and given to the transport directly, many at a time: through the ASGI interface a push costs
several times as much. The protocol below still opens, reads and closes the connection.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson

from paper.faults import FaultPlan
from paper.server.pushes import Distorter
from paper.server.wire import linger_nothing
from paper.store.credentials import Credentials

# A client with more than this unread is dropped (4005); one with more than `CALM` is waited for by a flush.
BUFFERED = 16 * 2**20
CALM = 2**16
TEXT = b"\x81"
SLOW_READER = 4005


def frame(payload: bytes) -> bytes:
    """A text frame of a server (RFC 6455, section 5.2: unmasked, not fragmented)."""
    size = len(payload)
    if size < 126:
        return TEXT + bytes((size,)) + payload
    if size < 65536:
        return TEXT + b"\x7e" + size.to_bytes(2, "big") + payload
    return TEXT + b"\x7f" + size.to_bytes(8, "big") + payload


class Push:
    """One push for many subscribers, encoded once for all that subscribed with the same argument."""

    def __init__(self, data: list[Any], **extra: Any) -> None:
        self.data = data
        self._rest = orjson.dumps({**extra, "data": data})[1:]
        self._frames: dict[bytes, bytes] = {}

    def frame(self, arg: dict[str, Any]) -> bytes:
        named = orjson.dumps(arg)
        found = self._frames.get(named)
        if found is None:
            found = self._frames[named] = frame(b'{"arg":' + named + b"," + self._rest)
        return found


@dataclass(eq=False)
class Connection:
    """`endpoint` is public, private, business or all."""

    endpoint: str
    transport: asyncio.Transport
    plan: FaultPlan = field(default_factory=FaultPlan)
    conn_id: str = field(default_factory=lambda: secrets.token_hex(4))
    credentials: Credentials | None = None
    subscriptions: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    last_push: float = field(default_factory=monotonic)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    silent: bool = False
    close_code: int | None = None

    def __post_init__(self) -> None:
        self._ready: list[bytes] = []
        self._distorter = Distorter(self.plan, self.endpoint, self.send_frame)

    def send(self, message: dict[str, Any]) -> None:
        self.send_frame(frame(orjson.dumps(message)))

    def send_text(self, text: str) -> None:
        self.send_frame(frame(text.encode()))

    def send_frame(self, framed: bytes) -> None:
        """Send one or several frames, together with whatever else is sent in this turn of the event loop."""
        if self.silent or self.close_code is not None:
            return
        if not self._ready:
            self.last_push = monotonic()
            asyncio.get_running_loop().call_soon(self.write_out)
        self._ready.append(framed)

    def write_out(self) -> None:
        """Give the transport what is ready."""
        ready, self._ready = self._ready, []
        if not ready or self.transport.is_closing():
            return
        self.transport.write(b"".join(ready))
        if self.backlog > BUFFERED:
            self.drop()

    @property
    def backlog(self) -> int:
        """Bytes given to the transport which the client has not taken yet."""
        return self.transport.get_write_buffer_size()

    def drop(self) -> None:
        """Give up on a client that does not read: forget what it was to be sent."""
        self.close_code = SLOW_READER
        self.gone.set()

    def close(self, code: int) -> None:
        """End the connection after what is ready has been sent."""
        if self.close_code is None:
            self.write_out()
            self.close_code = code
            self.gone.set()

    def cut(self, reset: bool = False) -> None:
        """End the connection at once, without a close frame; with a TCP reset if asked."""
        if reset:
            linger_nothing(self.transport)
        self.transport.abort()

    def push(self, arg: dict[str, Any], data: "list[Any] | Push", **extra: Any) -> None:
        """Push data of a channel; a `Push` made once serves any number of connections."""
        if not isinstance(data, Push):
            data = Push(data, **extra)
        if self._distorter.idle:
            self.send_frame(data.frame(arg))
        else:
            self._distorter.push(key_of(arg), str(arg["channel"]), data.data, data.frame(arg))


def key_of(arg: dict[str, Any]) -> bytes:
    """Identity of a subscription: its argument without blanks, in any order of keys."""
    return orjson.dumps({k: v for k, v in arg.items() if v not in (None, "")}, option=orjson.OPT_SORT_KEYS)
