"""What a fault does to a request: carried out or not, answered late, wrongly or not at all.

The ledger says what really happened: the entry of a request that was carried out names the fault, and one that was
not is recorded with kind `fault`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any

import orjson
import structlog

from paper.clock import wall_us
from paper.engine.params import number
from paper.errors import OkxError
from paper.exchange import Exchange
from paper.faults import Fault
from paper.instruments import Instrument
from paper.server.connection import Connection
from paper.server.hub import Hub
from paper.server.rest import Reply, refusal

Message = dict[str, Any]
logger = structlog.get_logger()
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
# Carried out whatever `placed` says.
CARRIED_OUT = ("reply_lost_after_accept", "reply_delayed", "ack_after_push", "partial_fill", "candle_gap_history")


class Cut(Exception):
    """The connection is to end without a reply."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class Striker:
    """Applies request faults on behalf of one server."""

    def __init__(self, exchange: Exchange, hub: Hub) -> None:
        self._exchange = exchange
        self._hub = hub
        hub.faults.on_strike = self._record

    def _record(self, fault: Fault, target: str) -> None:
        """Strikes of sockets; a request's own entry names what struck it."""
        if fault.entry.kind != "request":
            self._exchange.ledger.add(
                "fault",
                {"wall_us": wall_us(), "market_ms": self._exchange.now_ms(), "fault": fault.name, "path": target},
            )

    async def http(self, fault: Fault, path: str, body: bytes, process: Callable[[], Reply]) -> Reply:
        """The reply a struck request gets. Raises Cut when it gets none."""
        logger.info("fault_applied", name=fault.name, path=path, code=fault.code, number=fault.number)
        done: Reply | None = None
        if fault.name in CARRIED_OUT or fault.placed:
            if fault.name == "partial_fill":
                self._thin_book(fault, body)
            done = process()
        else:
            self._note(fault, "HTTP", path, body)
        if fault.name in ("request_lost", "reply_lost_after_accept", "connection_reset"):
            raise Cut(fault.name == "connection_reset")
        if fault.name == "http_502_html":
            return Reply(502, HTML)
        if fault.code:
            return refusal(OkxError(fault.code, status=fault.status or None))
        if done is None:
            raise AssertionError(f"fault {fault.name} is not a fault of requests")
        if fault.name == "candle_gap_history":
            return _without_newest_closed(done)
        if fault.name == "ack_after_push":
            await self._hub.flush()
        if fault.name in ("reply_delayed", "ack_after_push"):
            await asyncio.sleep(fault.seconds)
        return done

    def socket(
        self, fault: Fault, connection: Connection, target: str, request: Message, process: Callable[[], Message]
    ) -> Awaitable[None]:
        """An order operation over WebSocket that a fault strikes: what is carried out is so at once."""
        logger.info("fault_applied", name=fault.name, path=target, code=fault.code, number=fault.number)
        answer: Message | None = None
        if fault.name in CARRIED_OUT or fault.placed:
            if fault.name == "partial_fill":
                self._thin_book(fault, orjson.dumps(request.get("args")))
            answer = process()
        else:
            self._note(fault, "WS", target, orjson.dumps(request))
        return self._answer(fault, connection, request, answer)

    async def _answer(self, fault: Fault, connection: Connection, request: Message, answer: Message | None) -> None:
        if fault.name in ("request_lost", "reply_lost_after_accept"):
            return
        if fault.name in ("connection_reset", "http_502_html"):
            connection.cut(reset=True)
            return
        if fault.code:
            error = OkxError(fault.code)
            connection.send(
                {"id": request.get("id"), "op": request.get("op"), "data": [], "code": error.code, "msg": error.message,
                 "inTime": str(wall_us()), "outTime": str(wall_us())}
            )  # fmt: skip
            return
        if fault.name == "ack_after_push":
            await self._hub.flush()
        if fault.name in ("reply_delayed", "ack_after_push"):
            await asyncio.sleep(fault.seconds)
        if answer is not None:
            connection.send(answer)

    def _note(self, fault: Fault, method: str, path: str, body: bytes) -> None:
        self._exchange.ledger.add(
            "fault",
            {"wall_us": wall_us(), "market_ms": self._exchange.now_ms(), "fault": fault.name, "code": fault.code,
             "method": method, "path": path, "body": body.decode("utf-8", "replace"), "carried_out": False},
        )  # fmt: skip

    def _instrument(self, item: Message) -> Instrument | None:
        """The instrument an order names by id or, over WebSocket, by code alone."""
        for instrument in self._exchange.engine.state.instruments.values():
            if item.get("instId") == instrument.inst_id or str(item.get("instIdCode", "")) == str(instrument.code):
                return instrument
        return None

    def _thin_book(self, fault: Fault, body: bytes) -> None:
        """Leave only a share of each order's size in its instrument's book, until the next price."""
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        for item in parsed if isinstance(parsed, list) else [parsed]:
            if not isinstance(item, dict):
                continue
            instrument = self._instrument(item)
            try:
                size = number(item, "sz")
            except OkxError:
                size = None
            if instrument is None or size is None or not size.is_finite() or size <= 0:
                continue
            keep = (size * Decimal(str(fault.share))).quantize(instrument.lot, ROUND_DOWN)
            self._exchange.command(
                self._exchange.uid, "thin_book", {"instId": instrument.inst_id, "sz": format(keep, "f")}
            )


def _without_newest_closed(reply: Reply) -> Reply:
    """An answer with candles, but for the newest closed bar."""
    body = orjson.loads(reply.body)
    for index, row in enumerate(body.get("data", [])):
        if isinstance(row, list) and row[-1] == "1":
            del body["data"][index]
            break
    return Reply(reply.status, orjson.dumps(body), reply.entry)
