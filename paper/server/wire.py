"""HTTP connections that a fault can cut, and that nobody can hold open without asking anything.

`Connections` is what the server knows of its open sockets; `protocols(...)` makes uvicorn's protocol classes for one
server. A client gets so many seconds of patience to send a whole request, of at most `MAX_REQUEST` bytes; then the
connection ends.
How long an idle kept-alive connection may rest is uvicorn's setting.
"""

import asyncio
import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_REQUEST = 2_000_000
Address = tuple[str, int]


class Connections:
    """The transports of open connections by peer address."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}

    def opened(self, address: Address, transport: asyncio.Transport) -> None:
        self._open[address] = transport

    def closed(self, address: Address) -> None:
        self._open.pop(address, None)

    def of(self, scope: Any) -> asyncio.Transport | None:
        """The transport a request or socket came in on."""
        client = scope.get("client")
        return self._open.get((client[0], client[1])) if client else None

    def cut(self, scope: Any, reset: bool = False) -> None:
        """End a connection without a reply, with a TCP reset if asked."""
        transport = self.of(scope)
        if transport is None:
            return
        if reset:
            linger_nothing(transport)
        transport.abort()


def linger_nothing(transport: asyncio.Transport) -> None:
    """Let the coming close send RST: unsent data is thrown away and nothing is waited for."""
    found = transport.get_extra_info("socket")
    if found is None:
        return
    twin = socket.socket(fileno=os.dup(found.fileno()))
    with twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def protocols(
    connections: Connections, patience_s: float
) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """uvicorn's protocols, known to `connections`, with limited patience."""

    class Http(HttpToolsProtocol):
        _patience: asyncio.TimerHandle | None = None
        _received = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                connections.opened(self.client, transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                connections.closed(self.client)
            self._stop_waiting()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._received += len(data)
            if self._received > MAX_REQUEST:
                self._give_up()
            else:
                super().data_received(data)

        def on_message_begin(self) -> None:
            self._wait()
            super().on_message_begin()

        def on_message_complete(self) -> None:
            self._stop_waiting()
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            self._stop_waiting()
            super().handle_websocket_upgrade()

        def _wait(self) -> None:
            if self._patience is None:
                self._patience = self.loop.call_later(patience_s, self._give_up)

        def _stop_waiting(self) -> None:
            self._received = 0
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _give_up(self) -> None:
            if self.transport is not None and not self.transport.is_closing():
                self.transport.abort()

    class Socket(WebSocketsSansIOProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                connections.closed((self.client[0], self.client[1]))
            super().connection_lost(exc)

        def send_receive_event_to_app(self) -> None:
            """Text that is no UTF-8 ends the connection (1007): a client's mistake, no traceback's worth."""
            if self.curr_msg_data_type == "text":
                try:
                    b"".join(self.frames).decode()
                except UnicodeDecodeError:
                    self.frames = []
                    self.conn.send_close(1007)
                    self.handle_parser_exception()
                    return
            super().send_receive_event_to_app()

    return Http, Socket
