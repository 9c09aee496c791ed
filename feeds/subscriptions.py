"""Which channels are followed, spread over as many connections as OKX's limit needs; changed while they run.

OKX closes a connection with more than a hundred subscriptions (4003), so each socket holds at most MAX_ARGS.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from exchange.websocket import Arg, OkxSocket, Push
from exchange.ws_connection import Key, key_of
from feeds.thinning import newest

MAX_ARGS = 100
QUOTES = ("tickers", "mark-price", "funding-rate", "open-interest")

OnConnected = Callable[[str, list[Key], bool], None]
"""Socket, the subscriptions it carries, whether it was connected before."""


def candle_args(inst_ids: Iterable[str], bars: Sequence[str]) -> list[Arg]:
    """By bar: where pushes come in the order of subscription, no instrument's decision waits for another's 4H."""
    named = list(inst_ids)
    return [{"channel": f"candle{bar}", "instId": inst_id} for bar in bars for inst_id in named]


def quote_args(inst_ids: Iterable[str], book_channel: str) -> list[Arg]:
    """Ticker, book, mark price, funding and open interest of each instrument."""
    channels = (QUOTES[0], book_channel, *QUOTES[1:])
    return [{"channel": channel, "instId": inst_id} for inst_id in inst_ids for channel in channels]


class Subscriptions:
    """All sockets of one endpoint. Only one thread may call `change`."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        on_message: Callable[[Push], None],
        on_connected: OnConnected,
        on_drained: Callable[[], None],
    ) -> None:
        self._name = name
        self._url = url
        self._handlers: dict[str, Any] = {"on_message": on_message, "on_drained": on_drained, "thin": newest}
        self._on_connected = on_connected
        self._sockets: list[OkxSocket] = []

    @property
    def alive(self) -> bool:
        return all(socket.alive for socket in self._sockets)

    @property
    def received(self) -> int:
        """How many messages have come."""
        return sum(socket.received for socket in self._sockets)

    @property
    def keys(self) -> list[Key]:
        return [key_of(arg) for socket in self._sockets for arg in socket.args]

    def add(self, args: Sequence[Arg]) -> None:
        """Follow these, too: on sockets with room, then on new ones, which begin at once."""
        rest = list(args)
        for socket in self._sockets:
            room = MAX_ARGS - len(socket.args)
            if room > 0 and rest:
                socket.change(add=rest[:room])
                rest = rest[room:]
        for start in range(0, len(rest), MAX_ARGS):
            number = len(self._sockets) + 1
            socket = self._socket(self._name if number == 1 else f"{self._name}-{number}", rest[start:][:MAX_ARGS])
            self._sockets.append(socket)
            socket.start()

    def remove(self, keys: Iterable[Key]) -> None:
        """Follow these no longer."""
        gone = set(keys)
        for socket in self._sockets:
            held = [arg for arg in socket.args if key_of(arg) in gone]
            if held:
                socket.change(remove=held)

    def resubscribe(self, keys: Iterable[Key]) -> None:
        """Make these subscriptions again on their sockets."""
        wanted = set(keys)
        for socket in self._sockets:
            held = [arg for arg in socket.args if key_of(arg) in wanted]
            if held:
                socket.resubscribe(held)

    def reconnect(self, key: Key, reason: str) -> None:
        """Give up the connection that carries this subscription for a new one."""
        for socket in self._sockets:
            if any(key_of(arg) == key for arg in socket.args):
                socket.reconnect(reason)

    def stop(self) -> None:
        for socket in self._sockets:
            socket.stop()

    def _socket(self, name: str, args: list[Arg]) -> OkxSocket:
        socket: OkxSocket

        def connected(again: bool) -> None:
            self._on_connected(name, [key_of(arg) for arg in socket.args], again)

        socket = OkxSocket(name, self._url, args, on_connected=connected, **self._handlers)
        return socket
