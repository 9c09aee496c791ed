"""Clients that break every rule of HTTP and WebSocket: the server answers in OKX's words or hangs up, and goes on."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paper.launch import ExchangeProcess, launch

HEAD = b"POST /api/v5/trade/order HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    server = launch(tmp_path_factory.mktemp("x"), ["--speed", "lockstep", "--warmup-bars", "30"])
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _unharmed(served: ExchangeProcess) -> Iterator[None]:
    """Whatever a test did, the exchange answers promptly and has logged no traceback."""
    yield
    assert httpx.get(f"{served.rest_url}/api/v5/public/time", timeout=5).json()["code"] == "0"
    for name in ("exchange.log", "exchange.err"):
        text = (served.data / name).read_text()
        assert "Traceback" not in text, text
        assert "request_failed" not in text


def talk(server: ExchangeProcess, raw: bytes, wait: float = 1.0) -> bytes:
    """Send bytes on a fresh connection; what comes back until the server closes or is silent for `wait` seconds."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as client:
        received = b""
        try:
            client.sendall(raw)
            while part := client.recv(65536):
                received += part
                if b"\r\n\r\n" in received and received.endswith(b"}"):
                    break
        except OSError:  # silent, or the server hung up on us
            pass
        return received


@FUZZ
@given(junk=st.binary(min_size=1, max_size=400))
def test_bytes_that_are_no_http(served: ExchangeProcess, junk: bytes) -> None:
    answer = talk(served, junk + b"\r\n\r\n", 0.2)
    assert not answer or answer.startswith(b"HTTP/1.1 4")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@FUZZ
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    path=st.sampled_from(["/api/v5/trade/order", "/api/v5/market/candles", "/api/v5/account/balance", "/paper/advance"])
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(lambda tail: "/" + tail),
    body=json_values,
)
def test_any_method_path_and_body(served: ExchangeProcess, method: str, path: str, body: Any) -> None:
    raw = json.dumps(body).encode()
    request = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
    answer = talk(served, request.encode() + b"content-length: %d\r\n\r\n%b" % (len(raw), raw), 5)
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 401, 404, 405)


@FUZZ
@given(messages=st.lists(st.text(max_size=60) | json_values.map(json.dumps) | st.binary(max_size=60), max_size=6))
def test_any_message_on_a_socket(served: ExchangeProcess, messages: list[str | bytes]) -> None:
    client = websocket.create_connection(f"{served.ws_url}/private", timeout=5)
    for message in messages:
        client.send(message, websocket.ABNF.OPCODE_BINARY if isinstance(message, bytes) else websocket.ABNF.OPCODE_TEXT)
    client.send("ping")
    answers = []
    while not answers or answers[-1] != "pong":
        answers.append(client.recv())
    for answer in answers[:-1]:
        if answer != "pong":
            assert json.loads(answer)["code"] in ("60012", "60011", "60004", "60013", "60018", "60019")
    client.shutdown()


@pytest.mark.parametrize("frames", [[(True, 1, b"\xff\xfe")], [(False, 1, b"\xe2\x82"), (True, 0, b"\xff")]])
def test_text_that_is_no_utf8_ends_its_socket(served: ExchangeProcess, frames: list[tuple[bool, int, bytes]]) -> None:
    client = websocket.create_connection(f"{served.ws_url}/public", timeout=5)
    for final, opcode, data in frames:
        client.send_frame(websocket.ABNF(int(final), 0, 0, 0, opcode, 1, data))
    opcode, closing = client.recv_data()
    assert (opcode, int.from_bytes(closing[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 1007)
    client.shutdown()


def test_message_in_many_frames_is_one(served: ExchangeProcess) -> None:
    client = websocket.create_connection(f"{served.ws_url}/public", timeout=5)
    for number, letter in enumerate(b"ping"):
        client.send_frame(websocket.ABNF(int(number == 3), 0, 0, 0, 0 if number else 1, 1, bytes([letter])))
    assert client.recv() == "pong"
    client.shutdown()


def test_pipelined_requests_are_all_answered_in_order(served: ExchangeProcess) -> None:
    last = b"GET /api/v5/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        client.sendall(b"GET /api/v5/public/time HTTP/1.1\r\nhost: x\r\n\r\n" * 300 + last)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert (received.count(b" 200 OK"), received.count(b" 404 ")) == (300, 1)
    assert received.rindex(b" 200 OK") < received.index(b" 404 ")


operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["login", "subscribe", "unsubscribe", "order", "batch-orders", "amend-order", "x"])},
    optional={"id": json_values, "expTime": json_values, "args": st.lists(
        st.fixed_dictionaries({}, optional={
            "channel": st.sampled_from(["tickers", "candle5m", "orders", "candleX", "books"]) | json_values,
            "instId": st.sampled_from(["BTC-USDT-SWAP", "BTC-USDT"]) | json_values,
            "instType": json_values, "apiKey": json_values, "timestamp": json_values, "sign": json_values,
        }) | json_values, max_size=3) | json_values},
)  # fmt: skip


@FUZZ
@given(operation=operations)
def test_any_operation_on_a_socket(served: ExchangeProcess, operation: dict[str, Any]) -> None:
    client = websocket.create_connection(f"{served.ws_url}/all", timeout=5)
    client.send(json.dumps(operation))
    first = client.recv()
    assert first == "" or isinstance(json.loads(first), dict)
    client.shutdown()


@pytest.mark.parametrize("size", [1_100_000, 3_000_000])
def test_oversize_body_is_refused_without_being_kept(served: ExchangeProcess, size: int) -> None:
    answer = talk(served, HEAD + b"content-length: %d\r\n\r\n" % size + b" " * size, 3)
    assert not answer or b'"code":"50002"' in answer


def test_endless_head_is_cut_off(served: ExchangeProcess) -> None:
    assert b" 200 " not in talk(served, b"GET / HTTP/1.1\r\nx: " + b"y" * 2_500_000, 3)


def test_oversize_message_closes_the_socket(served: ExchangeProcess) -> None:
    client = websocket.create_connection(f"{served.ws_url}/public", timeout=5)
    client.send(json.dumps({"op": "subscribe", "args": [{"channel": "x" * 70_000}]}))
    opcode, frame = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(frame[:2], "big") == 1009
    client.shutdown()


def test_connection_has_only_so_many_subscriptions(served: ExchangeProcess) -> None:
    """Each with something of its own in its argument, or they would be one."""
    client = websocket.create_connection(f"{served.ws_url}/public", timeout=10)
    args = [{"channel": "status", "x": number} for number in range(500)]
    for first in range(0, 500, 100):
        client.send(json.dumps({"op": "subscribe", "args": args[first : first + 100]}))
    answers = []
    while True:
        opcode, answer = client.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            break
        answers.append(json.loads(answer)["event"])
    client.shutdown()
    assert int.from_bytes(answer[:2], "big") == 4009
    assert answers == ["subscribe"] * 481


def test_half_open_connections_do_not_keep_others_waiting(served: ExchangeProcess) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(300)]
    for client in idle[::3]:
        client.sendall(HEAD + b"content-length: 100\r\n\r\n{")
    for client in idle[1::3]:
        client.sendall(b"GET /api/v5/pub")
    for _ in range(20):
        assert httpx.get(f"{served.rest_url}/api/v5/public/time", timeout=10).status_code == 200
    for client in idle:
        client.close()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    arguments = ["--speed", "lockstep", "--warmup-bars", "30", "--patience", "0.4", "--idle", "0.4"]
    server = launch(tmp_path_factory.mktemp("impatient"), arguments)
    yield server
    server.stop()


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /api/v5/pub", HEAD + b"content-length: 100\r\n\r\n{", b"GET /ws/v5/public HTTP/1.1\r\nupgrade: w"],
)
def test_half_open_connection_is_given_up(impatient: ExchangeProcess, begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as client:
        client.sendall(begun)
        assert client.recv(1) == b""


def test_request_in_drops_is_given_up_but_a_kept_alive_connection_is_not(impatient: ExchangeProcess) -> None:
    with (
        httpx.Client(base_url=impatient.rest_url) as kept,
        socket.create_connection(("127.0.0.1", impatient.port), timeout=20) as client,
    ):
        kept.get("/api/v5/public/time")
        mine = kept.get("/api/v5/public/time").extensions["network_stream"].get_extra_info("client_addr")
        with pytest.raises(OSError):
            for letter in HEAD * 100:
                client.sendall(bytes((letter,)))
                time.sleep(0.02)
        again = kept.get("/api/v5/public/time").extensions["network_stream"].get_extra_info("client_addr")
        assert again == mine


def test_socket_without_a_message_is_closed_and_one_that_pings_is_not(impatient: ExchangeProcess) -> None:
    still = websocket.create_connection(f"{impatient.ws_url}/public", timeout=20)
    pinging = websocket.create_connection(f"{impatient.ws_url}/public", timeout=20)
    for _ in range(12):
        pinging.send("ping")
        assert pinging.recv() == "pong"
        time.sleep(0.1)
    opcode, frame = still.recv_data()
    assert (opcode, int.from_bytes(frame[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 4004)
    still.shutdown()
    pinging.close()


def test_flood_is_answered_whole(served: ExchangeProcess) -> None:
    def ask(number: int) -> str:
        with httpx.Client(base_url=served.rest_url, timeout=30) as client:
            codes = [client.post("/api/v5/trade/order", json={"n": number}).json()["code"] for _ in range(25)]
        return ",".join(sorted(set(codes)))

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(40))) == {"50103"}


def test_flood_meets_the_rate_limit_where_it_is_on(tmp_path: Path) -> None:
    server = launch(tmp_path / "x", ["--speed", "lockstep", "--warmup-bars", "30", "--switch", "rate_limits=on"])
    try:
        with httpx.Client(base_url=server.rest_url, timeout=30) as client:
            answers = [client.get("/api/v5/public/time") for _ in range(60)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert {answer.json()["code"] for answer in answers} == {"0", "50011"}
    finally:
        server.stop()
