"""python-okx's own WebSocket classes, unchanged. They speak TLS only, so the exchange shows a certificate here."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync

from paper.launch import ExchangeProcess, launch

BTC = "BTC-USDT-SWAP"
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl to make a certificate with")


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExchangeProcess]:
    """An exchange with a TLS port whose certificate this process trusts."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    arguments = ["--speed", "lockstep", "--warmup-bars", "100", "--tls-cert", str(cert), "--tls-key", str(key)]
    server = launch(tmp_path / "x", arguments)
    yield server
    server.stop()


async def heard(client: Any, messages: list[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Consume until a message was wanted; the client hands each to the callback as text."""
    consuming = asyncio.ensure_future(client.consume())
    for _ in range(1000):
        if any(wanted(message) for message in messages):
            break
        await asyncio.sleep(0.01)
    consuming.cancel()
    assert any(wanted(message) for message in messages), messages[-5:]


def test_public_and_private_sockets_deliver(certified: ExchangeProcess) -> None:
    started = [json.loads(line) for line in (certified.data / "exchange.log").read_text().splitlines()]
    (port,) = {line["tls_port"] for line in started if line["event"] == "exchange_started"}
    base, keys = f"wss://127.0.0.1:{port}/ws/v5", certified.account

    async def run() -> None:
        ticks: list[dict[str, Any]] = []
        public = WsPublicAsync(f"{base}/public")
        await public.connect()
        await public.subscribe([{"channel": "tickers", "instId": BTC}], lambda text: ticks.append(json.loads(text)))
        await heard(public, ticks, lambda m: "data" in m and m["data"][0]["instId"] == BTC)

        events: list[dict[str, Any]] = []
        private = WsPrivateAsync(keys["api_key"], keys["passphrase"], keys["secret_key"], f"{base}/private")
        await private.connect()
        await private.subscribe(
            [{"channel": "orders", "instType": "SWAP"}], lambda text: events.append(json.loads(text))
        )  # fmt: skip
        await heard(private, events, lambda m: m.get("event") == "subscribe")
        trade = TradeAPI(
            keys["api_key"], keys["secret_key"], keys["passphrase"], flag="1", domain=certified.rest_url
        )  # fmt: skip
        trade.place_order(BTC, "isolated", "buy", "market", "1", clOrdId="overtls")
        await heard(private, events, lambda m: "data" in m and m["data"][0]["state"] == "filled")
        trade.close()
        for client in (public, private):
            await client.factory.close()

    asyncio.run(run())


def test_certificate_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exit 2: exchange: --tls-cert .*none\.pem"):
        launch(tmp_path / "x", ["--tls-cert", str(tmp_path / "none.pem")])
