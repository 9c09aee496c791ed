"""A connection that keeps itself alive, on the paper exchange and on a server that misbehaves as told."""

import json
import threading
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from exchange.credentials import Credentials
from exchange.websocket import Arg, OkxSocket, Push
from paper.launch import ExchangeProcess

BTC = "BTC-USDT-SWAP"
ARG: Arg = {"channel": "tickers", "instId": BTC}
Session = Callable[[ServerConnection], None]


def until(condition: Callable[[], object], within_s: float = 8.0) -> None:
    deadline = monotonic() + within_s
    while not condition():
        assert monotonic() < deadline, "did not happen in time"
        sleep(0.005)


class Heard:
    """Collects what a socket reports."""

    def __init__(self) -> None:
        self.pushes: list[Push] = []
        self.connects: list[bool] = []

    def channels(self) -> set[str]:
        return {push.channel for push in self.pushes}


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def open_socket(heard: Heard) -> Iterator[Callable[..., OkxSocket]]:
    """Start a socket; it is stopped afterwards."""
    sockets: list[OkxSocket] = []

    def start(url: str, args: list[Arg], **options: Any) -> OkxSocket:
        socket = OkxSocket(
            "test", url, args, on_message=heard.pushes.append, on_connected=heard.connects.append, **options
        )
        sockets.append(socket)
        socket.start()
        return socket

    yield start
    for socket in sockets:
        socket.stop()


@pytest.fixture
def script() -> Iterator[Callable[..., str]]:
    """Serve connections with scripted sessions, the last one repeating; gives the URL."""
    servers: list[Server] = []

    def start(*sessions: Session) -> str:
        waiting = list(sessions)

        def handle(connection: ServerConnection) -> None:
            session = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            session(connection)

        server = serve(handle, "127.0.0.1", 0)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server in servers:
        server.shutdown()


def acknowledge(connection: ServerConnection) -> None:
    """Answer one subscribe message as OKX does: one acknowledgement per argument."""
    message = json.loads(connection.recv())
    for arg in message["args"]:
        connection.send(json.dumps({"event": "subscribe", "arg": arg, "connId": "a"}))


def well(connection: ServerConnection) -> None:
    """A well-behaved session: acknowledges, pushes once, answers pings."""
    acknowledge(connection)
    connection.send(json.dumps({"arg": ARG, "data": [{"last": "1"}]}))
    for received in connection:
        if received == "ping":
            connection.send("pong")


def test_public_channels_are_pushed(paper: ExchangeProcess, heard: Heard, open_socket: Callable) -> None:
    channels = ("tickers", "books5", "mark-price", "funding-rate", "open-interest")
    open_socket(f"{paper.ws_url}/public", [{"channel": channel, "instId": BTC} for channel in channels])
    until(lambda: heard.connects == [False])
    paper.advance(1)
    until(lambda: heard.channels() == set(channels))


def test_private_channels_need_and_get_a_login(
    paper: ExchangeProcess, credentials: Credentials, heard: Heard, open_socket: Callable
) -> None:
    args = [{"channel": "orders", "instType": "SWAP"}, {"channel": "account"}]
    open_socket(f"{paper.ws_url}/private", args, credentials=credentials)
    until(lambda: "account" in heard.channels())
    assert heard.connects == [False]


def test_wrong_key_never_connects_and_never_gives_up(
    paper: ExchangeProcess, heard: Heard, open_socket: Callable
) -> None:
    wrong = Credentials("no", "such", "key")
    socket = open_socket(f"{paper.ws_url}/private", [{"channel": "account"}], credentials=wrong)
    sleep(0.5)
    assert heard.connects == []
    assert socket.alive


def test_dropped_connection_is_replaced(paper: ExchangeProcess, heard: Heard, open_socket: Callable) -> None:
    open_socket(f"{paper.ws_url}/public", [ARG])
    until(lambda: heard.connects == [False])
    paper.post("/paper/faults", {"name": "ws_drop"})
    until(lambda: heard.connects == [False, True])
    before = len(heard.pushes)
    paper.advance(1)
    until(lambda: len(heard.pushes) > before)


def test_many_subscriptions_go_out_in_portions(heard: Heard, open_socket: Callable, script: Callable) -> None:
    sizes: list[int] = []

    def count(connection: ServerConnection) -> None:
        while sum(sizes) < 45:
            message = json.loads(connection.recv())
            sizes.append(len(message["args"]))
            for arg in message["args"]:
                connection.send(json.dumps({"event": "subscribe", "arg": arg}))
        connection.recv()

    open_socket(script(count), [{"channel": "tickers", "instId": f"X{i}"} for i in range(45)])
    until(lambda: heard.connects == [False])
    assert sizes == [20, 20, 5]


def test_missing_acknowledgement_means_a_new_connection(heard: Heard, open_socket: Callable, script: Callable) -> None:
    def deaf(connection: ServerConnection) -> None:
        connection.recv()
        connection.recv()

    open_socket(script(deaf, well), [ARG], ack_within_s=0.3)
    until(lambda: heard.connects == [False])
    until(lambda: len(heard.pushes) == 1)


def test_refused_subscription_means_a_new_connection(heard: Heard, open_socket: Callable, script: Callable) -> None:
    def refuse(connection: ServerConnection) -> None:
        connection.recv()
        connection.send('{"event":"error","code":"60018","msg":"doesn\'t exist"}')
        connection.recv()

    open_socket(script(refuse, well), [ARG])
    until(lambda: heard.connects == [False])


def test_upgrade_notice_reconnects_at_once(heard: Heard, open_socket: Callable, script: Callable) -> None:
    noticed: list[float] = []

    def notice(connection: ServerConnection) -> None:
        acknowledge(connection)
        noticed.append(monotonic())
        connection.send('{"event":"notice","code":"64008","msg":"The connection will soon be closed"}')
        connection.recv()

    open_socket(script(notice, well), [ARG])
    until(lambda: heard.connects == [False, True])
    assert monotonic() - noticed[0] < 1.5


def test_silence_is_answered_with_a_text_ping(heard: Heard, open_socket: Callable, script: Callable) -> None:
    received: list[str | bytes] = []

    def listen(connection: ServerConnection) -> None:
        acknowledge(connection)
        for message in connection:
            received.append(message)
            connection.send("pong")

    open_socket(script(listen), [ARG], ping_after_s=0.2, pong_within_s=0.5)
    until(lambda: len(received) >= 2)
    assert set(received) == {"ping"}
    assert heard.connects == [False]


def test_unanswered_ping_means_a_new_connection(heard: Heard, open_socket: Callable, script: Callable) -> None:
    def mute(connection: ServerConnection) -> None:
        acknowledge(connection)
        for _ in connection:
            pass

    open_socket(script(mute, well), [ARG], ping_after_s=0.2, pong_within_s=0.2)
    until(lambda: heard.connects == [False, True])


def test_push_before_the_acknowledgement_is_kept_and_comes_after_the_connect(
    open_socket: Callable, script: Callable
) -> None:
    def eager(connection: ServerConnection) -> None:
        message = json.loads(connection.recv())
        connection.send(json.dumps({"arg": ARG, "data": [{"last": "early"}]}))
        connection.send(json.dumps({"event": "subscribe", "arg": message["args"][0]}))
        connection.recv()

    events: list[str] = []
    socket = OkxSocket(
        "order", script(eager), [ARG],
        on_message=lambda push: events.append(push.data[0]["last"]),
        on_connected=lambda again: events.append("connected"),
    )  # fmt: skip
    socket.start()
    until(lambda: len(events) == 2)
    socket.stop()
    assert events == ["connected", "early"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_failing_handler_is_not_hidden(script: Callable) -> None:
    def broken(_: Push) -> None:
        raise RuntimeError("a bug")

    socket = OkxSocket("broken", script(well), [ARG], on_message=broken, on_connected=lambda again: None)
    socket.start()
    until(lambda: not socket.alive)
    assert socket.failed


def test_stop_ends_the_thread_quickly(heard: Heard, open_socket: Callable, script: Callable) -> None:
    socket = open_socket(script(well), [ARG])
    until(lambda: heard.connects == [False])
    began = monotonic()
    socket.stop()
    assert not socket.alive
    assert monotonic() - began < 0.5


def test_upgrade_is_handed_over_without_losing_a_push(heard: Heard, open_socket: Callable, script: Callable) -> None:
    """What the old connection sends until the new one is complete is delivered; the old one ends after that."""
    events: list[str] = []
    new_is_complete = threading.Event()

    def notice(connection: ServerConnection) -> None:
        acknowledge(connection)
        connection.send('{"event":"notice","code":"64008","msg":"The connection will soon be closed"}')
        new_is_complete.wait(5)
        for number in range(3):
            connection.send(json.dumps({"arg": ARG, "data": [{"last": f"old {number}"}]}))
        sleep(0.05)
        try:
            connection.recv(timeout=5)
        except ConnectionClosed:
            events.append("old ended")

    def next_one(connection: ServerConnection) -> None:
        message = json.loads(connection.recv())
        new_is_complete.set()
        sleep(0.2)
        connection.send(json.dumps({"event": "subscribe", "arg": message["args"][0]}))
        connection.send(json.dumps({"arg": ARG, "data": [{"last": "new"}]}))
        connection.recv()

    open_socket(script(notice, next_one), [ARG])
    until(lambda: len(heard.pushes) == 4)
    assert [push.data[0]["last"] for push in heard.pushes] == ["old 0", "old 1", "old 2", "new"]
    assert heard.connects == [False, True]
    until(lambda: events == ["old ended"])


def test_failed_handover_keeps_the_old_connection(heard: Heard, open_socket: Callable, script: Callable) -> None:
    def notice(connection: ServerConnection) -> None:
        acknowledge(connection)
        connection.send('{"event":"notice","code":"64008","msg":"The connection will soon be closed"}')
        sleep(0.8)
        connection.send(json.dumps({"arg": ARG, "data": [{"last": "still here"}]}))
        connection.recv()

    def refuse(connection: ServerConnection) -> None:
        connection.close()

    open_socket(script(notice, refuse), [ARG])
    until(lambda: [push.data[0]["last"] for push in heard.pushes] == ["still here"])
    assert heard.connects == [False]


def test_subscriptions_change_and_are_repeated_on_the_same_connection(
    heard: Heard, open_socket: Callable, script: Callable
) -> None:
    received: list[tuple[str, str]] = []
    other: Arg = {"channel": "tickers", "instId": "ETH-USDT-SWAP"}

    def follow(connection: ServerConnection) -> None:
        for text in connection:
            message = json.loads(text)
            for arg in message["args"]:
                received.append((message["op"], arg["instId"]))
                connection.send(json.dumps({"event": message["op"], "arg": arg}))
                connection.send(json.dumps({"arg": arg, "data": []}))

    socket = open_socket(script(follow), [ARG])
    until(lambda: heard.connects == [False])
    socket.change(add=[other], remove=[ARG])
    until(lambda: len(received) == 3)
    assert received[1:] == [("unsubscribe", BTC), ("subscribe", "ETH-USDT-SWAP")]
    socket.resubscribe([other])
    until(lambda: len(received) == 5)
    assert received[3:] == [("unsubscribe", "ETH-USDT-SWAP"), ("subscribe", "ETH-USDT-SWAP")]
    assert heard.connects == [False]
    assert socket.args == [other]


def test_after_the_hours_requests_a_new_connection_is_made(
    heard: Heard, open_socket: Callable, script: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.ws_connection.REQUESTS_PER_HOUR", 4)

    def follow(connection: ServerConnection) -> None:
        for text in connection:
            message = json.loads(text)
            for arg in message["args"]:
                connection.send(json.dumps({"event": message["op"], "arg": arg}))
                connection.send(json.dumps({"arg": arg, "data": []}))

    socket = open_socket(script(follow), [ARG])
    until(lambda: heard.connects == [False])
    socket.resubscribe([ARG])
    socket.resubscribe([ARG])
    until(lambda: heard.connects == [False, True])


def test_drained_is_told_after_the_last_of_what_was_received(script: Callable) -> None:
    events: list[str] = []

    def burst(connection: ServerConnection) -> None:
        acknowledge(connection)
        for number in range(50):
            connection.send(json.dumps({"arg": ARG, "data": [{"last": str(number)}]}))
        connection.recv()

    socket = OkxSocket(
        "burst", script(burst), [ARG], on_message=lambda push: events.append(push.data[0]["last"]),
        on_connected=lambda again: None, on_drained=lambda: events.append("drained"),
    )  # fmt: skip
    socket.start()
    until(lambda: events.count("drained") > 0 and len([e for e in events if e != "drained"]) == 50)
    until(lambda: events[-1] == "drained")
    socket.stop()


def raw_frame(payload: bytes, first: int = 0x81) -> bytes:
    """As a server writes it: unmasked."""
    length = len(payload)
    if length < 126:
        return bytes([first, length]) + payload
    size, mark = (2, 126) if length < 65_536 else (8, 127)
    return bytes([first, mark]) + length.to_bytes(size, "big") + payload


@pytest.mark.parametrize("piece", [1, 7, 1000, 1_000_000])
def test_whatever_way_the_bytes_come_every_message_is_heard_once_and_in_order(
    heard: Heard, open_socket: Callable, script: Callable, piece: int
) -> None:
    """Short, long and longest frames, one in fragments, pings between; pauses in the middle of a frame."""
    lengths = (0, 60, 61, 62, 63, 64, 900, 65_000, 70_000, 3)

    def push(number: int) -> bytes:
        return json.dumps({"arg": ARG, "data": [{"n": number, "pad": "x" * lengths[number % len(lengths)]}]}).encode()

    numbers = range(20 if piece == 1 else 200)
    stream = b""
    for number in numbers:
        text = push(number)
        if number % 9 == 4:
            stream += raw_frame(text[:20], 0x01) + raw_frame(b"", 0x89) + raw_frame(text[20:], 0x80)
        else:
            stream += raw_frame(text)

    def session(connection: ServerConnection) -> None:
        acknowledge(connection)
        pauses = 0
        for at in range(0, len(stream), piece):
            connection.socket.sendall(stream[at : at + piece])
            if at > len(stream) * (pauses + 1) / 4:
                pauses += 1
                sleep(0.25)
        until(lambda: len(heard.pushes) >= len(numbers), 30)
        connection.close()

    socket = open_socket(script(session, lambda connection: None), [ARG], ping_after_s=0.2, pong_within_s=60)
    until(lambda: len(heard.pushes) >= len(numbers), 30)
    assert [push.data[0]["n"] for push in heard.pushes] == list(numbers)
    assert socket.received == len(numbers)
