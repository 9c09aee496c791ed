"""Messages go out by name to the queue their name begins with; a broker that is away is logged, never raised."""

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from feeds.dispatch import Dispatcher

Queued = Callable[[str], list[tuple[str, list[Any]]]]


def test_message_reaches_the_queue_of_its_name(dispatcher: Dispatcher, queued: Queued) -> None:
    assert dispatcher.warm()
    assert dispatcher.send("cycle.open", "BTC-USDT-SWAP", "2026-01-05T00:05:00+00:00")
    assert dispatcher.send("protect.check")
    assert queued("cycle") == [("cycle.open", ["BTC-USDT-SWAP", "2026-01-05T00:05:00+00:00"])]
    assert queued("protect") == [("protect.check", [])]


def test_named_queue_is_used_as_told(dispatcher: Dispatcher, queued: Queued) -> None:
    assert dispatcher.publish("account.confirm", "account", [7])
    assert queued("account") == [("account.confirm", [7])]


def test_absent_broker_is_no_exception_and_no_long_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sender = Dispatcher(f"redis://127.0.0.1:{port}/1")
    began = monotonic()
    assert sender.warm() is False
    assert sender.send("cycle.open", "BTC-USDT-SWAP", "slot") is False
    assert monotonic() - began < 3
