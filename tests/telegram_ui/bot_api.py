"""A stand-in for Telegram's Bot API: hands out updates by long polling, keeps what the bot says.

Like the real one it repeats an update until a later offset confirms it, and answers 404 to a method it does not know
and 401 to a wrong token.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from trading.clock import wall_ms

TOKEN = "123456:test-token-of-the-stand-in"
ME = {"id": 123456, "is_bot": True, "first_name": "okxbot", "username": "okxbot_test"}


class BotApi:
    """The server. `said` holds (chat, text) of every message the bot sent; `calls` every method asked for."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self._updates: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                _, token, method = self.path.split("/")
                fields = {name: values[0] for name, values in parse_qs(body).items()}
                status, answer = api._answer(token, method, fields)
                written = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/bot"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def hear(self, user: int, text: str, *, age_s: float = 0, edited: bool = False, chat: str = "private") -> None:
        """Somebody writes to the bot."""
        chat_id = user if chat == "private" else -100
        command = text.split()[0]
        message = {
            "message_id": len(self._updates) + 1,
            "date": round(wall_ms() / 1000 - age_s),
            "from": {"id": user, "is_bot": False, "first_name": "somebody"},
            "chat": {"id": chat_id, "type": chat, "title": "a chat"},
            "text": text,
            "entities": [{"type": "bot_command", "offset": 0, "length": len(command)}],
        }
        if edited:
            message["edit_date"] = message["date"]
        with self._changed:
            name = "edited_message" if edited else "message"
            self._updates.append({"update_id": len(self._updates) + 1, name: message})
            self._changed.notify_all()

    def answers(self, count: int, within_s: float = 10) -> list[tuple[int, str]]:
        """Wait until the bot has said so much; everything it said."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.said) >= count, within_s), f"the bot said {self.said}"
            return list(self.said)

    def _answer(self, token: str, method: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.calls.append(method)
        if token != f"bot{TOKEN}":
            return 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        if method == "getMe":
            return 200, {"ok": True, "result": ME}
        if method == "deleteWebhook":
            return 200, {"ok": True, "result": True}
        if method == "getUpdates":
            return 200, {"ok": True, "result": self._pending(int(fields.get("offset", 0)))}
        if method == "sendMessage":
            with self._changed:
                self.said.append((int(fields["chat_id"]), fields["text"]))
                self._changed.notify_all()
            chat = {"id": int(fields["chat_id"]), "type": "private"}
            sent = {"message_id": 1000, "date": wall_ms() // 1000, "chat": chat, "text": fields["text"]}
            return 200, {"ok": True, "result": sent}
        return 404, {"ok": False, "error_code": 404, "description": "Not Found: method not found"}

    def _pending(self, offset: int) -> list[dict[str, Any]]:
        def waiting() -> list[dict[str, Any]]:
            return [update for update in self._updates if update["update_id"] >= offset]

        with self._changed:
            self._changed.wait_for(waiting, 0.3)
            return waiting()
