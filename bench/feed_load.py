"""The market behind the feed's figures: a lean WebSocket server that speaks as much of OKX as a client needs.

`python -m bench.feed_load PORT RATE`: acknowledges whatever is subscribed, then pushes on it in turn, RATE messages a
second on each connection, or as fast as the client reads with RATE 0. Pushes begin a second after the last
subscription. Each carries the server's wall time in `ts` (ms), a candle in its third figure from the end. A forming bar
now and then closes. Any path will do. With RATE 0 the pushes up to the close of a bar are made once and sent again with
the next bar's time in them, so that it is the client, not this server, that is measured.
"""

import asyncio
import base64
import hashlib
import sys
from time import monotonic
from typing import Any

import orjson
import uvloop

from trading.clock import wall_ms

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PIECE = 65_536
QUIET_S = 1.0
CONFIRM_EVERY = 500  # pushes of a candle channel


def frame(payload: bytes) -> bytes:
    """A text frame from a server."""
    length = len(payload)
    head = b"\x81" + (bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big"))
    return head + payload


class Market:
    """What one connection is told."""

    subscribed_at = 0.0  # the last subscription on any connection

    def __init__(self) -> None:
        self.args: list[dict[str, str]] = []
        self.begun = asyncio.Event()
        self._turn = 0
        self._pushes: dict[int, int] = {}

    def next(self) -> bytes:
        at = self._turn % len(self.args)
        arg = self.args[at]
        self._turn += 1
        count = self._pushes[at] = self._pushes.get(at, 0) + 1
        now = str(wall_ms())
        px = 60_000 + count % 97 / 10
        if arg["channel"].startswith("candle"):
            confirmed, bar = count % CONFIRM_EVERY == 0, (count - 1) // CONFIRM_EVERY
            opened = opens(bar)
            row: Any = [opened, str(px), str(px + 5), str(px - 5), str(px + 1), "1520.5", "15.205", now,
                        "1" if confirmed else "0"]  # fmt: skip
        else:
            row = {
                "instType": "SWAP", "instId": arg["instId"], "last": str(px), "lastSz": "1.2", "askPx": str(px + 0.1),
                "askSz": "11", "bidPx": str(px), "bidSz": "5", "open24h": "59000", "high24h": "61000",
                "low24h": "58000", "volCcy24h": "2222.5", "vol24h": "222250", "sodUtc0": "59500", "sodUtc8": "59600",
                "ts": now,
            }  # fmt: skip
        return frame(orjson.dumps({"arg": arg, "data": [row]}))


def opens(bar: int) -> str:
    return str(1_767_225_600_000 + bar * 300_000)


async def receive(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame."""
    first, second = await reader.readexactly(2)
    length = second & 127
    if length > 125:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length)
    return first & 15, bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: float) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    market = Market()
    pushing = asyncio.create_task(push(market, writer, rate))
    try:
        while True:
            opcode, data = await receive(reader)
            if opcode == 8:
                break
            if opcode == 9:
                writer.write(bytes([0x8A, len(data)]) + data)
            elif data == b"ping":
                writer.write(frame(b"pong"))
            elif opcode == 1:
                for arg in orjson.loads(data)["args"]:
                    writer.write(frame(orjson.dumps({"event": "subscribe", "arg": arg, "connId": "a"})))
                    market.args.append(arg)
                    Market.subscribed_at = monotonic()
                    market.begun.set()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has gone, which ends the measurement
    finally:
        pushing.cancel()
        writer.close()


async def push(market: Market, writer: asyncio.StreamWriter, rate: float) -> None:
    await market.begun.wait()
    while (left := Market.subscribed_at + QUIET_S - monotonic()) > 0:  # noqa: ASYNC110 - it sleeps as long as it must
        await asyncio.sleep(left)
    if not rate:
        await flood(market, writer)
    began, sent = monotonic(), 0
    while True:
        due = int((monotonic() - began) * rate) - sent
        for _ in range(due):
            writer.write(market.next())
        sent += max(due, 0)
        await asyncio.sleep(0.001)
        await writer.drain()


async def flood(market: Market, writer: asyncio.StreamWriter) -> None:
    """As fast as the client reads: bar after bar of the same pushes."""
    made = b"".join(market.next() for _ in range(CONFIRM_EVERY * len(market.args)))
    bar = 0
    while True:
        for at in range(0, len(made), PIECE):
            writer.write(made[at : at + PIECE])
            await writer.drain()
        made = made.replace(opens(bar).encode(), opens(bar + 1).encode())
        bar += 1


async def main(port: int, rate: float) -> None:
    server = await asyncio.start_server(lambda r, w: serve(r, w, rate), "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
