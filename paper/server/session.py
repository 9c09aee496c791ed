"""The WebSocket protocol of one connection: ping, login, subscriptions, order operations."""

import asyncio
import contextlib
from collections import deque
from time import monotonic
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from paper.clock import wall_us
from paper.exchange import Exchange
from paper.server.auth import verify_login
from paper.server.channels import candle_bar, endpoint_of, needs_login, required_argument
from paper.server.connection import SLOW_READER, Connection, key_of
from paper.server.hub import Hub
from paper.server.operations import OPERATIONS, carry_out

MAX_MESSAGE = 65_536
# Connections per private channel and account; subscriptions, un- and logins per connection and hour.
MAX_CONNECTIONS = 30
MAX_REQUESTS, HOUR_S = 480, 3600.0
LOGIN_ERRORS = {
    "60004": "Invalid timestamp", "60005": "Invalid apiKey", "60006": "Timestamp request expired",
    "60007": "Invalid sign", "60024": "Wrong passphrase",
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
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.connection.close_code == SLOW_READER:
            self.connection.cut()
        elif self.connection.close_code is not None:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the other side was first
                await self._socket.close(self.connection.close_code)

    async def _watch(self) -> None:
        """Close a connection that nothing has been pushed on for as long as OKX waits (30 s)."""
        idle = self._exchange.options.idle_s
        while True:
            await asyncio.sleep(min(1.0, idle / 4))
            if not self.connection.silent and monotonic() - self.connection.last_push > idle:
                self.connection.close(4004)
                return

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
                self._dispatch(text)

    def _error(self, code: str, message: str, id_: object = None) -> None:
        body: Message = {"event": "error", "code": code, "msg": message, "connId": self.connection.conn_id}
        if id_ is not None:
            body["id"] = id_
        self.connection.send(body)

    def _dispatch(self, text: str) -> None:
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict) or "op" not in request:
            self._error("60012", f"Invalid request: {text}")
            return
        op, args, id_ = request["op"], request.get("args"), request.get("id")
        if isinstance(op, str) and op in OPERATIONS:
            self._operate(request)
        elif self._too_many():
            self._error("60014", "Requests too frequent", id_)
        elif (
            op not in ("login", "subscribe", "unsubscribe")
            or not isinstance(args, list)
            or not args
            or not all(isinstance(arg, dict) for arg in args)
        ):
            self._error("60012", f"Invalid request: {text}", id_)
        elif op == "login":
            self._login(args[0])
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

    def _login(self, arg: Message) -> None:
        if self.connection.credentials is not None:
            self._error("60031", LOGIN_ERRORS["60031"])
            return
        credentials, code = verify_login(self._exchange.credentials, arg, self._exchange.wall_ms())
        self._note("login", {"apiKey": arg.get("apiKey")}, code, credentials.uid if credentials else "")
        if credentials is None:
            self._error(code, LOGIN_ERRORS[code])
            self.connection.close(4001)
            return
        self._exchange.admit(credentials)
        self.connection.credentials = credentials
        self.connection.send({"event": "login", "code": "0", "msg": "", "connId": self.connection.conn_id})

    def _subscribe(self, op: str, arg: Message, id_: object, text: str) -> None:
        channel = arg.get("channel")
        refusal = self._refusal(channel, arg, text)
        mine = self.connection.credentials
        self._note(op, arg, refusal[0] if refusal else "0", mine.uid if mine else "")
        if refusal is not None:
            self._error(*refusal, id_)
            return
        ack: Message = {"event": op, "arg": arg, "connId": self.connection.conn_id}
        if id_ is not None:
            ack["id"] = id_
        key = key_of(arg)
        if op == "unsubscribe":
            self.connection.subscriptions.pop(key, None)
            self.connection.send(ack)
            return
        self.connection.send(ack)
        if needs_login(str(channel)) and not self._count(str(channel)):
            return
        target = f"/ws/v5/{self.connection.endpoint}/{channel}"
        if not self.connection.silent and self._hub.faults.take("subscription", target) is None:
            self.connection.subscriptions[key] = arg
            self._hub.greet(self.connection, arg)

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

    def _refusal(self, channel: object, arg: Message, text: str) -> tuple[str, str] | None:
        """Code and message when a subscription is not possible here."""
        unknown = ("60018", f"Wrong URL or {arg} doesn't exist. Please use the correct URL, channel and parameters "
                   "referring to API document.")  # fmt: skip
        if not isinstance(channel, str):
            return "60012", f"Invalid request: {text}"
        home, here = endpoint_of(channel), self.connection.endpoint
        if home is None:
            return unknown
        candle = candle_bar(channel)
        lenient = candle is not None and self._exchange.options.switch("candles_on_public") == "accept"
        if here not in ("all", home) and not (lenient and here == "public"):
            if home == "business" and here == "public":
                return "64001", (
                    "This channel has been migrated to the '/business' URL. Subscribe using the new URL. For more "
                    "information, visit: https://www.okx.com/docs-v5/log_en"
                )
            return unknown
        if needs_login(channel) and self.connection.credentials is None:
            return "60011", "Please log in"
        needed = required_argument(channel)
        if needed and not arg.get(needed):
            return "60012", f"Invalid request: {text}"
        if needed == "instId" and self._hub.inst_id_of(str(arg["instId"])) is None:
            return unknown
        if candle is not None and self._hub.rows.grid(candle[1]) is None:
            return unknown
        return None

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
