"""The process's network face: HTTP and WebSocket on one port, the admin port beside it, and the market's pump.

OKX's interface is plain ASGI: one function between uvicorn and `Rest.handle`. Of the exchange's own interface
(`paper.server.admin`) this port answers `GET /paper/clock` and, in lockstep, `POST /paper/advance`: a trading client
in another container drives market time with them. Everything else, above all faults, is on the admin port.
"""

import asyncio
import signal
from collections.abc import Coroutine

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from paper.errors import OkxError
from paper.exchange import Exchange
from paper.server.admin import Admin
from paper.server.garbage import Garbage
from paper.server.hub import Hub
from paper.server.rest import MAX_BODY, Reply, Rest, refusal
from paper.server.session import Session
from paper.server.strike import Cut, Striker
from paper.server.wire import Connections

logger = structlog.get_logger()
TICK_S = 0.25
ENDPOINTS = ("public", "private", "business", "all")
SOCKETS = "/ws/v5/"
OWN = ("clock", "advance")
JSON = b"application/json"
HTML = b"text/html"


async def _vital(job: Coroutine[None, None, None]) -> None:
    """Run a job without which the exchange only seems to live: should it fail, the process ends, to be started anew."""
    try:
        await job
    except Exception:
        logger.exception("exchange_cannot_go_on")
        signal.raise_signal(signal.SIGTERM)


class App:
    """One exchange served; an ASGI application for both ports."""

    def __init__(self, exchange: Exchange, admin_port: int = 0) -> None:
        self.exchange = exchange
        self.rest = Rest(exchange)
        self.hub = Hub(exchange)
        self.hub.limiter = self.rest.limiter
        self.connections = Connections()
        self._garbage = Garbage()
        self.admin = Admin(exchange, self.hub, admin_port)
        self._striker = Striker(exchange, self.hub)
        self.hub.strike = self._striker.socket
        self._admin_port = admin_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
        elif scope["server"][1] == self._admin_port:
            await self.admin.asgi(scope, receive, send)
        elif kind == "websocket":
            await self._socket(scope, receive, send)
        elif scope["path"].startswith("/paper/") and scope["path"][7:] in OWN:
            await (await self.admin.respond(Request(scope, receive), scope["path"][7:]))(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        jobs = [self._regular()] if self.exchange.options.lockstep else [self._regular(), self._pump()]
        tasks = [asyncio.create_task(_vital(job)) for job in jobs]
        self._garbage.tick()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await send({"type": "lifespan.shutdown.complete"})

    # --- the market's pump ----------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """Play each step when its market time has come on the scaled clock."""
        exchange = self.exchange
        while not exchange.ended:
            await asyncio.sleep(exchange.next_step_in_s())
            if not exchange.market.live and exchange.next_step_in_s() > 0:
                continue
            exchange.play()
            exchange.mark_progress()

    async def _regular(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.exchange.fire_timers(self.exchange.wall_ms())
            try:
                self.exchange.ledger.flush()
            except OSError as fault:
                logger.error("ledger_write_failed", error=fault.strerror)
            self._garbage.tick()
            self.hub.regular(TICK_S)

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            await _respond(send, refusal(OkxError("50002")), close=True)
            return
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method, path, address = scope["method"], scope["path"], scope["client"][0] if scope["client"] else ""

        def process(fault: str = "") -> Reply:
            return self.rest.handle(method, target, headers, body, fault, address)

        fault = self.hub.faults.take("request", path)
        if fault is None:
            reply = process()
            await _respond(send, reply, HTML if reply.html else JSON)
            return
        try:
            reply = await self._striker.http(fault, path, body, lambda: process(fault.name))
        except Cut as cut:
            self.connections.cut(scope, cut.reset)
            return
        await _respond(send, reply, HTML if reply.status == 502 else JSON)

    # --- WebSocket ------------------------------------------------------------------------------------------

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket, endpoint = WebSocket(scope, receive, send), scope["path"].removeprefix(SOCKETS)
        transport, limiter = self.connections.of(scope), self.hub.limiter
        if limiter is not None and scope["client"] and not limiter.connects(scope["client"][0]):
            denied = refusal(OkxError("50011"))
            await socket.send_denial_response(Response(denied.body, denied.status, media_type=JSON.decode()))
            return
        if endpoint not in ENDPOINTS or transport is None:
            await socket.close(4004)
            return
        try:
            await Session(self.hub, socket, endpoint, transport).run()
        finally:
            self._garbage.socket_closed()


async def _body(receive: Receive) -> bytes | None:
    """The whole request body, or None when it is longer than `MAX_BODY`."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _respond(send: Send, reply: Reply, kind: bytes = JSON, close: bool = False) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(reply.body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
