"""A paper exchange in lockstep, faults allowed, and a raw HTTP server that misbehaves as told."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.client import OkxExchange
from exchange.credentials import Credentials, load_paper_credentials
from paper.launch import ExchangeProcess, launch

BTC = "BTC-USDT-SWAP"


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """One paper exchange for the room; it advances only when told to."""
    process = launch(tmp_path_factory.mktemp("paper"), ["--speed", "lockstep", "--admin", "--warmup-bars", "600"])
    yield process
    process.stop()


@pytest.fixture
def credentials(paper: ExchangeProcess) -> Credentials:
    return load_paper_credentials(paper.data / "account.json")


@pytest.fixture
def exchange(paper: ExchangeProcess, credentials: Credentials) -> Iterator[OkxExchange]:
    """A client of the paper account; the account is flat and without orders again afterwards."""
    client = OkxExchange(credentials, paper.rest_url, timeout_s=3)
    yield client
    for order in client.orders_pending():
        client.cancel_order_by_id(order.inst_id, order.ord_id)
    for position in client.positions():
        client.close_position(position.inst_id, position.mgn_mode, "")
    for algo in client.algos_pending():
        client.cancel_algos([(algo.inst_id, algo.algo_id)])
    client.close()


class RawServer:
    """Accepts connections, reads one request each, and hands the socket to `behave(connection, request)`."""

    def __init__(self, behave: Callable[[socket.socket, bytes], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = _whole_request(connection)
                if request:
                    self.requests.append(request)
                    try:
                        self._behave(connection, request)
                    except OSError:
                        pass  # the client hung up, which is what several tests are about

    def close(self) -> None:
        self._listener.close()


def _whole_request(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        head, blank, body = received.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)  # fmt: skip
        if blank and len(body) >= length:
            break
    return received


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket, bytes], None]], RawServer]]:
    """Start a RawServer with a behaviour."""
    servers: list[RawServer] = []

    def start(behave: Callable[[socket.socket, bytes], None]) -> RawServer:
        servers.append(RawServer(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def some_credentials(tmp_path: Path) -> Credentials:
    return Credentials("the-key", "the-secret", "the-passphrase")
