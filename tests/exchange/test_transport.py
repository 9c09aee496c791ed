"""One call: exactly one request, one deadline, and a word for every way it can end."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep

import pytest

from exchange.client import OkxExchange
from exchange.credentials import Credentials
from exchange.errors import ReadFailed
from exchange.transport import OkxTransport, TransportFailure
from trading.clock import to_ms, wall_now
from trading.orders import OrderRequest, OutcomeKind

Behaviour = Callable[[socket.socket, bytes], None]
ORDER = OrderRequest("BTC-USDT-SWAP", "buy", "fok", Decimal(1), "a1", "isolated", Decimal(50000))


def http(body: str, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def reply(content: bytes) -> Behaviour:
    return lambda connection, _: connection.sendall(content)


def drip(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _second in range(100):
        connection.sendall(b" ")
        sleep(0.05)


def drip_headers(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        connection.sendall(f"X-{number}: 1\r\n".encode())
        sleep(0.05)


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [
        (lambda connection, _: None, "connection_lost"),
        (reply(http("<html>Bad Gateway</html>", "502 Bad Gateway", "text/html")), "http_502"),
        (reply(http("not json")), "http_200"),
        (reply(http('["no envelope"]')), "http_200"),
        (lambda connection, _: sleep(0.6), "timeout"),
        (drip, "timeout"),
        (drip_headers, "timeout"),
    ],
    ids=["dropped", "html", "not_json", "not_an_envelope", "silent", "dripping_body", "dripping_headers"],
)
def test_sent_request_without_an_answer_is_unknown(
    behaviour: Behaviour, word: str, raw_server: Callable, some_credentials: Credentials
) -> None:
    server = raw_server(behaviour)
    client = OkxExchange(some_credentials, server.url, timeout_s=0.4)
    began = monotonic()
    outcome = client.place_order(ORDER, wall_now() + timedelta(seconds=3))
    assert (outcome.kind, outcome.code) == (OutcomeKind.UNKNOWN, word)
    assert monotonic() - began < 0.8
    assert len(server.requests) == 1


def test_connection_refused_is_rejected_because_nothing_was_sent(some_credentials: Credentials) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = OkxExchange(some_credentials, f"http://127.0.0.1:{port}", timeout_s=1)
    outcome = client.place_order(ORDER, wall_now())
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "connect_failed")


def test_order_is_one_signed_request_that_expires(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http('{"code":"0","data":[{"ordId":"9","sCode":"0"}]}')))
    expires = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    outcome = OkxExchange(some_credentials, server.url).place_order(ORDER, expires)
    assert outcome.exchange_id == "9"
    head, _, body = server.requests[0].decode().partition("\r\n\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head.split("\r\n")[1:])}
    assert head.startswith("POST /api/v5/trade/order ")
    assert headers["exptime"] == str(to_ms(expires))
    assert headers["x-simulated-trading"] == "1"
    assert headers["ok-access-key"] == "the-key"
    sent = json.loads(body)
    assert (sent["sz"], sent["px"], sent["clOrdId"], sent["attachAlgoOrds"]) == ("1", "50000", "a1", None)


def test_only_the_call_it_was_given_for_carries_an_expiry(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http('{"code":"0","data":[{"ordId":"9","sCode":"0"}]}')))
    client = OkxExchange(some_credentials, server.url)
    client.place_order(ORDER, wall_now())
    client.cancel_order("BTC-USDT-SWAP", "a1")
    assert b"expTime" in server.requests[0]
    assert b"expTime" not in server.requests[1]


def test_live_flag_is_zero(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http('{"code":"0","data":[{"ts":"1700000000000"}]}')))
    OkxExchange(some_credentials, server.url, flag="0").server_time()
    assert b"x-simulated-trading: 0" in server.requests[0]


def test_failure_text_holds_no_credentials(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(lambda connection, _: None)
    transport = OkxTransport(some_credentials, server.url, flag="1", timeout_s=1)
    with pytest.raises(TransportFailure) as caught:
        transport.account.get_account_config()
    shown = f"{caught.value!r} {caught.value.__cause__!r} {some_credentials!r}"
    assert not any(secret in shown for secret in ("the-key", "the-secret", "the-passphrase"))


def test_read_is_tried_three_times_then_says_why(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http('{"code":"50013","msg":"Systems are busy","data":[]}', "429 Too Many")))
    with pytest.raises(ReadFailed, match="balance: 50013 Systems are busy") as caught:
        OkxExchange(some_credentials, server.url).balance()
    assert caught.value.code == "50013"
    assert len(server.requests) == 3


def test_refused_read_is_not_repeated(raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http('{"code":"50113","msg":"Invalid Sign"}', "401 Unauthorized")))
    with pytest.raises(ReadFailed, match="50113"):
        OkxExchange(some_credentials, server.url).balance()
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", ['{"code":"0","data":[]}', '{"code":"0","data":[{}]}', '{"code":"0"}'])
def test_empty_answer_is_not_a_flat_account(body: str, raw_server: Callable, some_credentials: Credentials) -> None:
    server = raw_server(reply(http(body)))
    with pytest.raises(ReadFailed):
        OkxExchange(some_credentials, server.url).balance()
