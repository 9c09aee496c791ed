"""The exchange's own interface on its loopback port: `/paper/…`, beyond OKX's.

| call | answer |
|---|---|
| `GET /paper/clock` | market and wall time, speed, and the admin port |
| `POST /paper/advance` | lockstep: play `bars` decision bars |
| `GET /paper/info` | what is played, with which switches, and where the ledger lies |
| `GET /paper/ledger` | entries by `kind`, `clOrdId`, `path`, `account`, `after`, `limit` |
| `GET /paper/audit` | per account: what was accepted, how well positions were covered, whether the books balance |
| `GET /paper/menu` | the fault menu |
| `GET`, `POST`, `DELETE /paper/faults` | what waits; order one; forget them all |
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from paper.errors import OkxError
from paper.exchange import Exchange
from paper.faults import MENU, Fault
from paper.server import extras
from paper.server.hub import Hub

MAX_ADVANCE = 100_000
Answer = dict[str, Any]
Handler = Callable[[Request], Awaitable[Answer]]


class Admin:
    """Answers on behalf of one exchange. `advance` calls are taken one after the other."""

    def __init__(self, exchange: Exchange, hub: Hub, port: int) -> None:
        self._exchange = exchange
        self._hub = hub
        self._port = port
        self._advancing = asyncio.Lock()
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "info"): self._info, ("GET", "clock"): self._clock, ("GET", "ledger"): self._ledger,
            ("GET", "audit"): self._audit, ("POST", "advance"): self._advance, ("GET", "menu"): self._menu,
            ("GET", "faults"): self._list_faults, ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
        }  # fmt: skip
        self.asgi = Starlette(routes=[Route("/{path:path}", self._route, methods=["GET", "POST", "DELETE"])])

    async def _route(self, request: Request) -> Response:
        path = request.url.path
        return await self.respond(request, path.removeprefix("/paper/") if path.startswith("/paper/") else "")

    async def respond(self, request: Request, name: str) -> Response:
        """The answer to `/paper/NAME`."""
        handler = self._handlers.get((request.method, name))
        if handler is None:
            return _json_response({"error": "not found"}, 404)
        try:
            return _json_response(await handler(request))
        except OkxError as refusal:
            return _json_response({"error": refusal.message}, refusal.status if refusal.status >= 400 else 400)

    async def _info(self, request: Request) -> Answer:
        return extras.info(self._exchange, self._hub.rows.bars)

    async def _clock(self, request: Request) -> Answer:
        return {**self._exchange.clock.row(), "admin_port": self._port}

    async def _ledger(self, request: Request) -> Answer:
        return extras.ledger(self._exchange, dict(request.query_params))

    async def _audit(self, request: Request) -> Answer:
        return extras.audit(self._exchange)

    async def _advance(self, request: Request) -> Answer:
        """Play `bars` decision bars (lockstep only); answers when their pushes are with the sockets."""
        if not self._exchange.options.lockstep:
            raise OkxError("51000", message="advance needs --speed lockstep", status=409)
        bars = (await _json(request)).get("bars", 1)
        if not isinstance(bars, int) or isinstance(bars, bool) or not 1 <= bars <= MAX_ADVANCE:
            raise OkxError("51000", message=f"bars: a whole number from 1 to {MAX_ADVANCE}", status=400)
        played = 0
        async with self._advancing:
            while played < bars and self._exchange.advance(1):
                played += 1
                if self._hub.connections:
                    await self._hub.flush()
                elif played % 20 == 0:
                    await asyncio.sleep(0)
        return {**self._exchange.clock.row(), "played": played}

    # --- faults ---------------------------------------------------------------------------------------------

    async def _menu(self, request: Request) -> Answer:
        return {
            "menu": [
                {"name": name, "strikes": entry.kind, "what": entry.what, "placed": entry.either,
                 "seconds": entry.seconds}
                for name, entry in MENU.items()
            ]
        }  # fmt: skip

    def _need_admin(self) -> None:
        if not self._exchange.options.admin:
            raise OkxError("50120", message="faults need --admin", status=403)

    async def _list_faults(self, request: Request) -> Answer:
        self._need_admin()
        return {"faults": [fault.row() for fault in self._hub.faults.waiting]}

    async def _add_fault(self, request: Request) -> Answer:
        self._need_admin()
        fault = self._hub.faults.add(await _json(request))
        if fault.entry.kind == "now":
            fault.use()
            self._hub.faults.on_strike(fault, fault.path)
            self._strike_now(fault)
        return {"fault": fault.row()}

    async def _clear_faults(self, request: Request) -> Answer:
        """Forget what waits, and mend the clock; sockets that were silenced stay silent."""
        self._need_admin()
        self._hub.faults.clear()
        self._exchange.skew_ms = 0
        return {"faults": []}

    def _strike_now(self, fault: Fault) -> None:
        if fault.name == "clock_skew":
            self._exchange.skew_ms = round(fault.seconds * 1000)
            return
        if fault.name == "ws_notice":
            self._hub.notice()
            if fault.seconds:
                asyncio.get_running_loop().call_later(fault.seconds, self._hub.each, fault.path, "ws_drop")
            return
        self._hub.each(fault.path, fault.name)


async def _json(request: Request) -> Answer:
    try:
        parsed = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        raise OkxError("50002") from None
    if not isinstance(parsed, dict):
        raise OkxError("50002")
    return parsed


def _json_response(body: Answer, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
