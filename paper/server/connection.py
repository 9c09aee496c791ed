"""One WebSocket connection: its subscriptions and its outgoing messages, sent in order by one writer."""

import asyncio
import secrets
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import orjson

from paper.store.credentials import Credentials

BUFFERED = 20_000


@dataclass(eq=False)
class Connection:
    """`endpoint` is public, private, business or all. A client that does not read is dropped (4005)."""

    endpoint: str
    conn_id: str = field(default_factory=lambda: secrets.token_hex(4))
    credentials: Credentials | None = None
    subscriptions: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    queue: "asyncio.Queue[str | None]" = field(default_factory=lambda: asyncio.Queue(BUFFERED))
    last_push: float = field(default_factory=monotonic)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    silent: bool = False
    close_code: int | None = None

    def send(self, message: dict[str, Any]) -> None:
        self.send_text(orjson.dumps(message).decode())

    def send_text(self, text: str) -> None:
        if self.silent or self.close_code is not None:
            return
        self.last_push = monotonic()
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """Give up on a client that does not read: forget what it was to be sent."""
        self.close_code = 4005
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()
        self.gone.set()

    def close(self, code: int) -> None:
        """End the connection after what is queued has been sent."""
        if self.close_code is None:
            self.close_code = code
            try:
                self.queue.put_nowait(None)
            except asyncio.QueueFull:
                self.drop()

    def push(self, arg: dict[str, Any], data: list[Any], **extra: Any) -> None:
        self.send({"arg": arg, **extra, "data": data})


def key_of(arg: dict[str, Any]) -> bytes:
    """Identity of a subscription: its argument without blanks, in any order of keys."""
    return orjson.dumps({k: v for k, v in arg.items() if v not in (None, "")}, option=orjson.OPT_SORT_KEYS)
