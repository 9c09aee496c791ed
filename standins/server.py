"""A local HTTP server in a thread, with a menu of faults. Loopback only; port 0 lets the system choose."""

import asyncio
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

LOOK_EVERY_S = 0.05
# Answers are cut off on purpose here: nobody needs to be told of each.
logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in record.getMessage())


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Kinds: hang, drip, cut, status, body (a 200 with that text), message.

    `message` is a well-formed answer with these fields replaced.
    """

    kind: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    pause_s: float = 0.05


class _CutOff(Response):
    """Half an answer, and the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Standin:
    """The server. `requests` holds every body that passed the checks, `refused` what was rejected and why.

    Faults ordered in `faults` come first, one a request; then `strike` may choose one by the request. Raises OSError
    when the port is taken.
    """

    def __init__(self, path: str, key: str, port: int = 0) -> None:
        self.key = key
        self.strike: Callable[[dict[str, Any]], Fault | None] = lambda _body: None
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.faults: deque[Fault] = deque()
        self._app = Starlette(routes=[Route(path, self._endpoint, methods=["POST"])])
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self._app, log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the stand-in did not start"
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

    def reset(self) -> None:
        """As new, for the next test."""
        self.requests, self.refused, self.faults = [], [], deque()
        self.strike = lambda _body: None

    def check(self, request: Request, body: Any) -> Response | None:
        """What the real API would refuse, as it refuses it."""
        raise NotImplementedError

    def answer(self, body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        """A good answer, with `fields` replaced."""
        raise NotImplementedError

    async def _endpoint(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        refusal = self.check(request, body)
        if refusal is not None:
            self.refused.append(bytes(refusal.body).decode())
            return refusal
        self.requests.append(body)
        fault = (self.faults.popleft() if self.faults else self.strike(body)) or Fault("message")
        if fault.kind == "hang":
            while await self._pause(LOOK_EVERY_S):
                pass
            return Response(status_code=503)
        if fault.kind in ("status", "body"):
            return Response(
                fault.text, status_code=fault.status, headers=dict(fault.headers), media_type="application/json"
            )
        answer = JSONResponse(self.answer(body, dict(fault.fields)), headers={"request-id": "req_standin"})
        if fault.kind == "cut":
            return _CutOff(answer.body, headers=dict(answer.headers))
        if fault.kind == "drip":
            return StreamingResponse(self._bits(bytes(answer.body), fault.pause_s), media_type="application/json")
        return answer

    async def _bits(self, content: bytes, pause_s: float) -> AsyncIterator[bytes]:
        for index in range(len(content)):
            yield content[index : index + 1]
            if not await self._pause(pause_s):
                return

    async def _pause(self, seconds: float) -> bool:
        """Whether the server goes on afterwards: what takes its time must not keep it from ending."""
        await asyncio.sleep(seconds)
        return not self._server.should_exit
