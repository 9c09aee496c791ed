"""The WebSocket protocol of one connection: ping, login, subscriptions, order operations."""

import asyncio
import contextlib
from collections import deque
from time import monotonic
from typing import Any

import orjson
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from paper.clock import wall_us
from paper.exchange import Exchange
from paper.server.auth import verify_login
from paper.server.channels import counted
from paper.server.connection import SLOW_READER, Connection, key_of
from paper.server.hub import Hub
from paper.server.incoming import read_json
from paper.server.operations import OPERATIONS, carry_out, is_message_id
from paper.server.subscriptions import refusal_of

logger = structlog.get_logger()
MAX_MESSAGE = 65_536
# Connections per private channel and account; subscriptions, un- and logins per connection and hour.
MAX_CONNECTIONS = 30
MAX_REQUESTS, HOUR_S = 480, 3600.0
# Subscriptions of one connection; OKX has such a limit (4009) and does not say how many.
MAX_SUBSCRIPTIONS = 480
OPS = ("login", "subscribe", "unsubscribe")
CLOSE_REASONS = {
    1012: "Service restart", 4001: "Login failed", 4004: "No data received in 30s.",
    4007: "API key has been updated or deleted. Please reconnect.",
    4009: "The number of subscription channels for this connection exceeds the limit",
}  # fmt: skip
LOGIN_ERRORS = {
    "60004": "Invalid timestamp", "60005": "Invalid apiKey", "60006": "Timestamp request expired",
    "60007": "Invalid sign", "60009": "Login failed.", "60024": "Wrong passphrase",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
}  # fmt: skip
Message = dict[str, Any]


class Session:
    """Serves one accepted socket until either side leaves."""

    def __init__(self, hub: Hub, socket: WebSocket, endpoint: str, transport: asyncio.Transport) -> None:
        self._hub = hub
        self._exchange: Exchange = hub.exchange
        self._socket = socket
        self._asked: deque[float] = deque()
        self._late: set[asyncio.Future[None]] = set()
        self.connection = Connection(endpoint, transport, hub.faults)

    async def run(self) -> None:
        await self._socket.accept()
        self._hub.connections.add(self.connection)
        reader = asyncio.create_task(self._read())
        gone = asyncio.create_task(self.connection.gone.wait())
        tasks = [reader, gone, asyncio.create_task(self._watch())]
        try:
            await asyncio.wait({reader, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.connections.discard(self.connection)
            self.connection.subscriptions.clear()
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    logger.error("ws_session_failed", endpoint=self.connection.endpoint, exc_info=ended)
        if self.connection.close_code == SLOW_READER:
            self.connection.cut()
        elif self.connection.close_code is not None:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the other side was first
                code = self.connection.close_code
                await self._socket.close(code, CLOSE_REASONS.get(code))

    async def _watch(self) -> None:
        """Close a connection whose key is gone, or on which nothing was pushed for as long as OKX waits (30 s)."""
        idle = self._exchange.options.idle_s
        while True:
            await asyncio.sleep(min(1.0, idle / 4))
            if self._revoked():
                return
            if not self.connection.silent and monotonic() - self.connection.last_push > idle:
                self.connection.close(4004)
                return

    def _revoked(self) -> bool:
        """Whether the connection's key was deleted since it logged in; it is closed then."""
        mine = self.connection.credentials
        if mine is None or self._exchange.credentials.get(mine.api_key) == mine:
            return False
        self.connection.close(4007)
        return True

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                text = (message.get("bytes") or b"").decode("utf-8", "replace")
            if self.connection.close_code is not None:
                continue
            if len(text) > MAX_MESSAGE:
                self.connection.close(1009)
            elif text == "ping":
                self.connection.send_text("pong")
            else:
                self._handle(text)

    def _handle(self, text: str) -> None:
        """Whatever goes wrong with one message, the connection lives on."""
        try:
            self._dispatch(text)
        except Exception:
            logger.exception("ws_request_failed", endpoint=self.connection.endpoint)
            self._error("64007", "Operation failed due to WebSocket internal error. Please try again later.")

    def _error(self, code: str, message: str, id_: object = None) -> None:
        body: Message = {"event": "error", "code": code, "msg": message, "connId": self.connection.conn_id}
        if id_ is not None:
            body["id"] = id_
        self.connection.send(body)

    def _dispatch(self, text: str) -> None:
        try:
            request = read_json(text)
        except ValueError:
            request = None
        if not isinstance(request, dict) or "op" not in request:
            self._error("60012", f"Invalid request: {text}")
            return
        op, args, id_ = request["op"], request.get("args"), request.get("id")
        if isinstance(op, str) and op in OPERATIONS:
            if not self._revoked():
                self._operate(request)
        elif self._too_many():
            self._error("60014", "Requests too frequent", id_)
        elif isinstance(op, str) and op not in OPS:
            self._error("60019", f"Invalid op: {op}", id_)
        elif (
            not isinstance(op, str)
            or not isinstance(args, list)
            or not args
            or not all(isinstance(arg, dict) for arg in args)
            or not (id_ is None or is_message_id(id_))
        ):
            self._error("60012", f"Invalid request: {text}", id_)
        elif op == "login":
            self._login(args[0], id_)
        else:
            for arg in args:
                self._subscribe(op, arg, id_, text)

    def _note(self, op: str, arg: Message, code: str, uid: str) -> None:
        now = wall_us()
        self._exchange.ledger.add(
            "refused" if op == "login" and code != "0" else "read",
            {
                "wall_us": now, "reply_wall_us": now, "account": uid, "method": "WS",
                "path": f"/ws/v5/{self.connection.endpoint}", "query": orjson.dumps({"op": op, "arg": arg}).decode(),
                "status": 0, "code": code, "fault": "", "connId": self.connection.conn_id,
            },
        )  # fmt: skip

    def _too_many(self) -> bool:
        """Whether this connection has asked too often within the hour; counts this time."""
        if self._hub.limiter is None:
            return False
        now = monotonic()
        while self._asked and self._asked[0] <= now - HOUR_S:
            self._asked.popleft()
        if len(self._asked) >= MAX_REQUESTS:
            return True
        self._asked.append(now)
        return False

    def _login(self, arg: Message, id_: object) -> None:
        if self.connection.credentials is not None:
            self._error("60031", LOGIN_ERRORS["60031"], id_)
            return
        address = self._socket.client.host if self._socket.client else ""
        credentials, code = verify_login(self._exchange.credentials, arg, self._exchange.wall_ms(), address)
        self._note("login", {"apiKey": arg.get("apiKey")}, code, credentials.uid if credentials else "")
        if credentials is None:
            self._error(code, LOGIN_ERRORS[code], id_)
            self.connection.close(4001)
            return
        self._exchange.admit(credentials)
        self.connection.credentials = credentials
        self._acknowledge({"event": "login", "code": "0", "msg": ""}, id_)

    def _acknowledge(self, message: Message, id_: object) -> None:
        message["connId"] = self.connection.conn_id
        if id_ is not None:
            message["id"] = id_
        self.connection.send(message)

    def _subscribe(self, op: str, arg: Message, id_: object, text: str) -> None:
        mine = self.connection.credentials
        refused = refusal_of(self._hub.rows, self._exchange, arg, self.connection.endpoint, mine is not None, text)
        self._note(op, arg, refused[0] if refused else "0", mine.uid if mine else "")
        if refused is not None:
            self._error(*refused, id_)
            return
        key = key_of(arg)
        self._acknowledge({"event": op, "arg": arg}, id_)
        if op == "unsubscribe":
            self.connection.subscriptions.pop(key, None)
            return
        if len(self.connection.subscriptions) >= MAX_SUBSCRIPTIONS and key not in self.connection.subscriptions:
            self.connection.close(4009)
            return
        if counted(arg["channel"]) and not self._count(arg["channel"]):
            return
        target = f"/ws/v5/{self.connection.endpoint}/{arg['channel']}"
        if not self.connection.silent and self._hub.faults.take("subscription", target) is None:
            self._hub.greet(self.connection, arg)
            self.connection.subscriptions[key] = arg

    def _count(self, channel: str) -> bool:
        """Tell how many connections of the account have the channel; whether this one may have it, too."""
        mine = self.connection.credentials
        count = 1 + sum(
            other is not self.connection
            and other.credentials is not None
            and mine is not None
            and other.credentials.uid == mine.uid
            and any(arg["channel"] == channel for arg in other.subscriptions.values())
            for other in self._hub.connections
        )
        allowed = count <= MAX_CONNECTIONS
        event = "channel-conn-count" if allowed else "channel-conn-count-error"
        shown = str(count if allowed else MAX_CONNECTIONS)
        self.connection.send(
            {"event": event, "channel": channel, "connCount": shown, "connId": self.connection.conn_id}
        )
        return allowed

    def _operate(self, request: Message) -> None:
        """Order operations over the private endpoint."""
        target = f"/ws/v5/{self.connection.endpoint}/{request['op']}"
        fault = self._hub.faults.take("request", target)
        if fault is None:
            self.connection.send(carry_out(self._hub, self.connection, request))
            return

        def process() -> Message:
            return carry_out(self._hub, self.connection, request, fault.name)

        answering = asyncio.ensure_future(self._hub.strike(fault, self.connection, target, request, process))
        self._late.add(answering)
        answering.add_done_callback(self._late.discard)
