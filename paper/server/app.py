"""The process's network face: HTTP and WebSocket on one port, the market's pump, and orderly shutdown."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from paper.clock import wall_ms
from paper.errors import OkxError, StartRefused
from paper.exchange import Exchange
from paper.server import extras
from paper.server.faults import Fault, FaultPlan
from paper.server.hub import Hub
from paper.server.rest import Reply, Rest
from paper.server.session import Session

logger = structlog.get_logger()
REGULAR_S = 5.0
MAX_ADVANCE = 100_000
ENDPOINTS = ("public", "private", "business", "all")
# The sockets of open HTTP connections by peer address, so that a fault can cut one without a reply.
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, remembering its transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class App:
    """One exchange served. `advance` calls are taken one after the other."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rest = Rest(exchange)
        self.hub = Hub(exchange)
        self.faults = FaultPlan()
        self._advancing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.asgi = Starlette(
            routes=[
                WebSocketRoute("/ws/v5/{endpoint}", self._socket),
                HttpRoute("/paper/{name}", self._paper, methods=["GET", "POST", "DELETE"]),
                HttpRoute("/{path:path}", self._api, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._tasks = [asyncio.create_task(job()) for job in self._jobs()]
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _jobs(self) -> list[Callable[[], Any]]:
        jobs: list[Callable[[], Any]] = [self._regular]
        if not self.exchange.options.lockstep:
            jobs.append(self._pump)
        return jobs

    # --- the market's pump ----------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """Play each step when its market time has come on the scaled clock."""
        exchange = self.exchange
        while not exchange.ended:
            due = exchange.market.step_end_ms(exchange.market.played)
            delay = exchange.clock.wall_delay_s(due)
            await asyncio.sleep(delay)
            if exchange.clock.wall_delay_s(due) > 0:
                continue
            exchange.play()
            exchange.mark_progress()

    async def _regular(self) -> None:
        beat = 0.0
        while True:
            await asyncio.sleep(0.25)
            self.exchange.fire_timers(wall_ms())
            beat += 0.25
            if beat >= REGULAR_S:
                beat = 0.0
                self.hub.regular()

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        scope = request.scope
        query = scope["query_string"]
        target = scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b"")
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        fault = self.faults.take(scope["path"]) if self.faults.waiting else None
        if fault is not None:
            return await self._faulty(fault, request, lambda: self.rest.handle(request.method, target, headers, body))
        return _respond(self.rest.handle(request.method, target, headers, body))

    async def _faulty(self, fault: Fault, request: Request, process: Callable[[], Reply]) -> Response:
        logger.info("fault_applied", name=fault.name, path=request.url.path, code=fault.code)
        carried_out = fault.name in ("reply_lost_after_accept", "reply_delayed") or fault.placed
        reply = process() if carried_out else None
        if reply is not None and reply.entry:
            reply.entry["fault"] = fault.name
        if fault.name == "reply_delayed" and reply is not None:
            await asyncio.sleep(fault.seconds)
            return _respond(reply)
        if fault.name == "http_502_html":
            return Response("<html><body><h1>502 Bad Gateway</h1></body></html>", 502, media_type="text/html")
        if fault.name == "code":
            error = OkxError(fault.code)
            body = {"code": error.code, "data": [], "msg": error.message}
            return Response(orjson.dumps(body), error.status, media_type="application/json")
        await self._cut(request)
        return Response(status_code=500)

    async def _cut(self, request: Request) -> None:
        """Reset the connection instead of answering."""
        client = request.scope.get("client")
        transport = _transports.get(tuple(client)) if client else None
        if transport is not None:
            transport.abort()
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def _paper(self, request: Request) -> Response:
        name, method = request.path_params["name"], request.method
        handlers: dict[tuple[str, str], Callable[[Request], Awaitable[dict[str, Any]]]] = {
            ("GET", "info"): self._info, ("GET", "clock"): self._clock, ("GET", "ledger"): self._ledger,
            ("GET", "audit"): self._audit, ("POST", "advance"): self._advance,
            ("GET", "faults"): self._list_faults, ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
        }  # fmt: skip
        handler = handlers.get((method, name))
        if handler is None:
            return Response(orjson.dumps({"error": "not found"}), 404, media_type="application/json")
        try:
            return Response(orjson.dumps(await handler(request)), media_type="application/json")
        except OkxError as refusal:
            status = refusal.status if refusal.status >= 400 else 400
            return Response(orjson.dumps({"error": refusal.message}), status, media_type="application/json")

    async def _info(self, request: Request) -> dict[str, Any]:
        return extras.info(self.exchange, self.hub.rows.bars)

    async def _clock(self, request: Request) -> dict[str, Any]:
        return self.exchange.clock.row()

    async def _ledger(self, request: Request) -> dict[str, Any]:
        return extras.ledger(self.exchange, dict(request.query_params))

    async def _audit(self, request: Request) -> dict[str, Any]:
        return extras.audit(self.exchange)

    async def _advance(self, request: Request) -> dict[str, Any]:
        """Play `bars` decision bars (lockstep only); answers when their pushes are with the sockets."""
        if not self.exchange.options.lockstep:
            raise OkxError("51000", message="advance needs --speed lockstep", status=409)
        bars = (await _json(request)).get("bars", 1)
        if not isinstance(bars, int) or isinstance(bars, bool) or not 1 <= bars <= MAX_ADVANCE:
            raise OkxError("51000", message=f"bars: a whole number from 1 to {MAX_ADVANCE}", status=400)
        played = 0
        async with self._advancing:
            while played < bars and self.exchange.advance(1):
                played += 1
                if self.hub.connections:
                    await self.hub.flush()
                elif played % 20 == 0:
                    await asyncio.sleep(0)
        return {**self.exchange.clock.row(), "played": played}

    def _need_admin(self) -> None:
        if not self.exchange.options.admin:
            raise OkxError("50120", message="faults need --admin", status=403)

    async def _list_faults(self, request: Request) -> dict[str, Any]:
        self._need_admin()
        return {"faults": [fault.row() for fault in self.faults.waiting]}

    async def _add_fault(self, request: Request) -> dict[str, Any]:
        self._need_admin()
        fault = self.faults.add(await _json(request))
        if fault.name == "ws_notice":
            self.hub.notice()
        elif fault.name.startswith("ws_"):
            self._strike_sockets(fault)
        return {"fault": fault.row()}

    async def _clear_faults(self, request: Request) -> dict[str, Any]:
        self._need_admin()
        self.faults.clear()
        return {"faults": []}

    def _strike_sockets(self, fault: Fault) -> None:
        """Drop, or silence without closing, the sockets whose endpoint contains the fault's path."""
        for connection in list(self.hub.connections):
            if fault.path in f"/ws/v5/{connection.endpoint}":
                if fault.name == "ws_drop":
                    connection.close(1012)
                else:
                    connection.silent = True

    # --- WebSocket ------------------------------------------------------------------------------------------

    async def _socket(self, socket_: WebSocket) -> None:
        endpoint = socket_.path_params["endpoint"]
        if endpoint not in ENDPOINTS:
            await socket_.close(4004)
            return
        await Session(self.hub, socket_, endpoint).run()


async def _json(request: Request) -> dict[str, Any]:
    try:
        parsed = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        raise OkxError("50002") from None
    if not isinstance(parsed, dict):
        raise OkxError("50002")
    return parsed


def _respond(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type="application/json")


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Raises StartRefused when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as fault:
        listener.close()
        raise StartRefused(
            f"port {port} on {host} cannot be used ({getattr(fault, 'strerror', None) or fault})"
        ) from None
    listener.listen(512)
    return listener


def serve(exchange: Exchange, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; the exchange's state is written before this returns."""
    app = App(exchange)
    config = uvicorn.Config(
        app.asgi, http=CuttableProtocol, ws="websockets-sansio", loop="uvloop", log_config=None, access_log=False,
        timeout_graceful_shutdown=2, ws_ping_interval=None, ws_max_size=1 << 20, server_header=False,
    )  # fmt: skip
    server = _Server(config, exchange, listener.getsockname()[1])
    try:
        server.run(sockets=[listener])
    finally:
        exchange.close()
        logger.info("shutdown_complete")


class _Server(uvicorn.Server):
    """Announces the port once it answers, and does not re-raise the signal that ended it."""

    def __init__(self, config: uvicorn.Config, exchange: Exchange, port: int) -> None:
        super().__init__(config)
        self._exchange = exchange
        self._port = port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            options = self._exchange.options
            logger.info(
                "exchange_started", host=options.host, port=self._port, market=options.market,
                speed=options.speed, seed=options.seed, market_ms=self._exchange.market.now_ms,
            )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
