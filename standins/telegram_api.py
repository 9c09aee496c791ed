"""A stand-in for Telegram's Bot API, strict where the real one is: hands out updates by long polling, keeps what the
bot says, and goes wrong on demand.

Like the real one it repeats an update until a later offset confirms it, answers 404 to a method it does not know, 401
to a wrong token, and 400 to a text that is empty, too long or badly marked up, to a caption over 1,024 characters and
to callback data over 64 bytes. Faults: `flood` (429 with retry_after), `bad_gateway` (502, HTML), `hang` (no answer,
not taken), `cut` (connection closed, not taken), `lost` (taken, and the connection closed before the answer).
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standins.telegram_markup import LONGEST, LONGEST_CAPTION, judged
from standins.telegram_people import People
from standins.telegram_wire import ME, Said, buttons_of, fields_of, message_of, reply

TOKEN = "123456:test-token-of-the-stand-in"


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of a method ('' is any but getUpdates)."""

    kind: str
    method: str = ""
    times: int = 1
    seconds: float = 1


class TelegramStandin(People):
    """The server. `said` holds what the bot said, in order; `calls` every method; `answered` answers to presses."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.answered: list[str] = []
        self.commands: list[str] = []
        self.webhook: dict[str, str] = {}  # as set; nobody is called
        self.faults: list[Fault] = []
        self.refused: list[str] = []
        self.on_said: Callable[[Said], None] | None = None
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                fields, files = fields_of(self.headers.get("Content-Type", ""), self.rfile.read(length))
                _, token, method = self.path.split("/")
                standin._serve(self, token, method, fields, files)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
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

    def _serve(
        self, handler: BaseHTTPRequestHandler, token: str, method: str, fields: dict[str, str], files: dict[str, bytes]
    ) -> None:
        fault = self._fault(method)
        if fault is not None and fault.kind in ("hang", "cut"):
            if fault.kind == "hang":
                time.sleep(fault.seconds)
            handler.close_connection = True
            return
        if fault is not None and fault.kind == "bad_gateway":
            reply(handler, 502, b"<html>502 Bad Gateway</html>", "text/html")
            return
        if fault is not None and fault.kind == "flood":
            wait = {"retry_after": int(fault.seconds)}
            answer = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": wait}
            reply(handler, 429, json.dumps(answer).encode())
            return
        status, result = self._answer(token, method, fields, files)
        if fault is not None and fault.kind == "lost":
            handler.close_connection = True
            return
        body = {"ok": True, "result": result} if status == 200 else {
            "ok": False, "error_code": status, "description": result}  # fmt: skip
        reply(handler, status, json.dumps(body).encode())

    def _fault(self, method: str) -> Fault | None:
        with self._changed:
            for fault in self.faults:
                if fault.times > 0 and (fault.method == method or (not fault.method and method != "getUpdates")):
                    fault.times -= 1
                    return fault
        return None

    def _answer(self, token: str, method: str, fields: dict[str, str], files: dict[str, bytes]) -> tuple[int, Any]:
        with self._changed:
            self.calls.append(method)
            self._changed.notify_all()
        if token != f"bot{TOKEN}":
            return 401, "Unauthorized"
        if method == "getMe":
            return 200, ME
        if method in ("setWebhook", "deleteWebhook"):
            with self._changed:
                self.webhook = fields if method == "setWebhook" else {}
                self._changed.notify_all()
            return 200, True
        if method == "setMyCommands":
            self.commands = [each["command"] for each in json.loads(fields.get("commands", "[]"))] or self.commands
            return 200, True
        if method == "getUpdates":
            return 200, self._pending(int(fields.get("offset", 0)), min(float(fields.get("timeout", 0)), 0.5))
        if method == "answerCallbackQuery":
            self.answered.append(fields.get("text", ""))
            return 200, True
        made = {"sendMessage": self._send, "sendPhoto": self._photo, "editMessageText": self._edit}.get(method)
        if made is None:
            return 404, "Not Found: method not found"
        status, result = made(fields, files)
        if status != 200:
            self.refused.append(f"{method}: {result}")
        return status, result

    def _send(self, fields: dict[str, str], _files: dict[str, bytes]) -> tuple[int, Any]:
        trouble = judged(fields.get("text", ""), fields, LONGEST)
        return (400, trouble) if trouble else self._keep(fields, fields["text"], None)

    def _photo(self, fields: dict[str, str], files: dict[str, bytes]) -> tuple[int, Any]:
        caption = fields.get("caption", "")
        trouble = judged(caption, fields, LONGEST_CAPTION) if caption else ""
        png = next(iter(files.values()), b"")
        if not png.startswith(b"\x89PNG"):
            trouble = trouble or "Bad Request: IMAGE_PROCESS_FAILED"
        return (400, trouble) if trouble else self._keep(fields, caption, png)

    def _edit(self, fields: dict[str, str], _files: dict[str, bytes]) -> tuple[int, Any]:
        trouble = judged(fields.get("text", ""), fields, LONGEST)
        if trouble:
            return 400, trouble
        with self._changed:
            for index, said in enumerate(self.said):
                if said.message_id == int(fields["message_id"]):
                    new = replace(said, text=fields["text"], buttons=buttons_of(fields), edits=said.edits + 1)
                    if (new.text, new.buttons) == (said.text, said.buttons):
                        return 400, "Bad Request: message is not modified"
                    self.said[index] = new
                    self._changed.notify_all()
                    return 200, message_of(new)
        return 400, "Bad Request: message to edit not found"

    def _keep(self, fields: dict[str, str], text: str, png: bytes | None) -> tuple[int, Any]:
        said = Said(
            int(fields["chat_id"]), self._next_message(), text, buttons_of(fields), png,
            fields.get("disable_notification") == "true",
        )  # fmt: skip
        with self._changed:
            self.said.append(said)
            self._changed.notify_all()
        if self.on_said is not None:
            self.on_said(said)
        return 200, message_of(said)
