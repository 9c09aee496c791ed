"""The load behind the paper exchange's figures: a lean client, run as a process of its own.

`python -m bench.paper_load orders URL-PORT SECONDS CONNECTIONS RATE` with the accounts as JSON on stdin signs and sends
orders over kept-alive connections, one in flight on each: as fast as answers come, or RATE a second in all. `sockets
PORT SECONDS CONNECTIONS` subscribes and counts what is pushed. Prints one JSON object.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import sys
from datetime import UTC
from functools import partial
from time import monotonic, perf_counter
from typing import cast

import uvloop

from trading.clock import wall_now

INST = "BTC-USDT-SWAP"
PATH = b"/api/v5/trade/order"
INSTRUMENTS = (INST, "ETH-USDT-SWAP", "SOL-USDT-SWAP")
PER_INSTRUMENT = ("tickers", "trades", "books5", "bbo-tbt", "mark-price", "price-limit")


def signed_order(account: dict[str, str], cl_ord_id: str) -> bytes:
    """A whole HTTP request: one contract at market, a buy and a sale in turn."""
    side = "buy" if int(cl_ord_id[1:]) % 2 else "sell"
    body = json.dumps(
        {"instId": INST, "tdMode": "cross", "side": side, "ordType": "market", "sz": "1", "clOrdId": cl_ord_id}
    ).encode()
    stamp = wall_now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    mac = hmac.new(account["secret_key"].encode(), stamp.encode() + b"POST" + PATH + body, hashlib.sha256)
    head = (
        f"POST /api/v5/trade/order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nOK-ACCESS-KEY: {account['api_key']}\r\n"
        f"OK-ACCESS-SIGN: {base64.b64encode(mac.digest()).decode()}\r\nOK-ACCESS-TIMESTAMP: {stamp}\r\n"
        f"OK-ACCESS-PASSPHRASE: {account['passphrase']}\r\n\r\n"
    )
    return head.encode() + body


class Orders(asyncio.Protocol):
    """One kept-alive connection; `samples` gets the milliseconds of each answer that accepted its order."""

    def __init__(self, account: dict[str, str], numbers: "itertools.count[int]", samples: list[float]) -> None:
        self._account, self._numbers, self._samples = account, numbers, samples
        self.refused = 0
        self._received = b""
        self._sent_at = 0.0
        self.idle = True
        self.endless = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        """Send the next order."""
        self.idle = False
        request = signed_order(self._account, f"b{next(self._numbers)}")
        self._sent_at = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        took = (perf_counter() - self._sent_at) * 1000
        if b'"sCode":"0"' in body:
            self._samples.append(took)
        else:
            self.refused += 1
        self._received = b""
        self.idle = True
        if self.endless:
            self.send()


async def orders(port: int, seconds: float, connections: int, rate: float, accounts: list[dict[str, str]]) -> None:
    loop = asyncio.get_running_loop()
    samples: list[float] = []
    numbers = itertools.count(1)
    made: list[Orders] = []
    for index in range(connections):
        account = accounts[index % len(accounts)]
        _, each = await loop.create_connection(partial(Orders, account, numbers, samples), "127.0.0.1", port)
        made.append(each)
    began = monotonic()
    if rate:
        skipped = 0
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - monotonic()))
            ready = next((each for each in made if each.idle), None)
            if ready is None:
                skipped += 1
            else:
                ready.send()
        await asyncio.sleep(1)
        spent = seconds
    else:
        for each in made:
            each.endless = True
            each.send()
        await asyncio.sleep(seconds)
        skipped, spent = 0, monotonic() - began
    done = {"samples": samples, "seconds": spent, "skipped": skipped, "refused": sum(each.refused for each in made)}
    print(json.dumps(done))


class Socket(asyncio.Protocol):
    """A client that subscribes and counts frames without reading what is in them."""

    def __init__(self, channels: list[dict[str, str]]) -> None:
        self._channels = channels
        self._received = bytearray()
        self._open = False
        self.frames = 0
        self.bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            b"GET /ws/v5/public HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self._received += data
        if not self._open:
            _, found, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not found:
                return
            self._open, self._received = True, bytearray(rest)
            text = json.dumps({"op": "subscribe", "args": self._channels}).encode()
            # Masked with zeros, as the protocol asks of clients.
            self._transport.write(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)
        at, size = 0, len(self._received)
        while size - at >= 4:
            length, head = self._received[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(self._received[at + 2 : at + 4], "big"), 4
            if size - at < head + length:
                break
            at += head + length
            self.frames += 1
        del self._received[:at]


async def sockets(port: int, seconds: float, connections: int) -> None:
    loop = asyncio.get_running_loop()
    channels = [{"channel": name, "instId": inst_id} for name in PER_INSTRUMENT for inst_id in INSTRUMENTS]
    made: list[Socket] = []
    for _ in range(connections):
        _, each = await loop.create_connection(lambda: Socket(channels), "127.0.0.1", port)
        made.append(each)
    await asyncio.sleep(1)
    before, began = sum(each.frames for each in made), monotonic()
    await asyncio.sleep(seconds)
    spent = monotonic() - began
    print(json.dumps({"messages": sum(each.frames for each in made) - before, "seconds": spent}))


def main() -> None:
    what, port, seconds, connections, *rest = sys.argv[1:]
    if what == "orders":
        accounts = json.loads(sys.stdin.read())
        uvloop.run(orders(int(port), float(seconds), int(connections), float(rest[0]), accounts))
    else:
        uvloop.run(sockets(int(port), float(seconds), int(connections)))


if __name__ == "__main__":
    main()
