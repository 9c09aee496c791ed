"""A stand-in for Telegram's Bot API, strict where the real one is: hands out updates by long polling, keeps what the
bot says, and goes wrong on demand.

Like the real one it repeats an update until a later offset confirms it, answers 404 to a method it does not know, 401
to a wrong token, and 400 to a text that is empty, too long or badly marked up, to a caption over 1,024 characters and
to callback data over 64 bytes. Faults: `flood` (429 with retry_after), `bad_gateway` (502, HTML), `hang` (no answer,
not taken), `cut` (connection closed, not taken), `lost` (taken, and the connection closed before the answer).
"""

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from email import message_from_bytes
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from trading.clock import wall_ms

TOKEN = "123456:test-token-of-the-stand-in"
ME = {"id": 123456, "is_bot": True, "first_name": "okxbot", "username": "okxbot_test"}
TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}
LONGEST, LONGEST_CAPTION, LONGEST_DATA = 4096, 1024, 64


@dataclass(frozen=True)
class Said:
    """One message of the bot, as it stands after its last edit. `text` is as sent, markup included."""

    chat_id: int
    message_id: int
    text: str
    buttons: tuple[tuple[str, str], ...] = ()  # label, callback data
    png: bytes | None = None
    silent: bool = False
    edits: int = 0


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of a method ('' is any but getUpdates)."""

    kind: str
    method: str = ""
    times: int = 1
    seconds: float = 1


class _Markup(HTMLParser):
    """Telegram's HTML: known tags, balanced, no stray `<` or `&`."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.text: list[str] = []
        self.trouble = ""
        self.feed(text)
        self.close()
        if self.open and not self.trouble:
            self.trouble = f"can't find end tag corresponding to start tag {self.open[-1]}"

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        if tag not in TAGS:
            self.trouble = self.trouble or f'unsupported start tag "{tag}"'
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.trouble = self.trouble or f'unmatched end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        if "<" in data or "&" in data:
            self.trouble = self.trouble or "unescaped character"
        self.text.append(data)

    def handle_entityref(self, name: str) -> None:
        if name not in ("lt", "gt", "amp", "quot"):
            self.trouble = self.trouble or f"unknown entity {name}"
        self.text.append("x")

    def handle_charref(self, _name: str) -> None:
        self.text.append("x")


class TelegramStandin:
    """The server. `said` holds what the bot said, in order; `calls` every method; `answered` answers to presses."""

    def __init__(self, port: int = 0) -> None:
        self.said: list[Said] = []
        self.calls: list[str] = []
        self.answered: list[str] = []
        self.commands: list[str] = []
        self.webhook: dict[str, str] = {}  # as set; nobody is called
        self.faults: list[Fault] = []
        self.refused: list[str] = []
        self.on_said: Callable[[Said], None] | None = None
        self._updates: list[dict[str, Any]] = []
        self._last_update = 0
        self._acknowledged = 0
        self._last_message = 1000
        self._changed = threading.Condition()
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                fields, files = _fields(self.headers.get("Content-Type", ""), self.rfile.read(length))
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

    # What people do.

    def hear(
        self, user: int, text: str, *, age_s: float = 0, edited: bool = False, chat: str = "private", times: int = 1
    ) -> int:
        """Somebody writes to the bot; `times` over one the same update is handed out that often."""
        message: dict[str, Any] = {
            "message_id": self._next_message(),
            "date": round(wall_ms() / 1000 - age_s),
            "from": {"id": user, "is_bot": False, "first_name": "somebody"},
            "chat": {"id": user if chat == "private" else -100, "type": chat, "title": "a chat"},
            "text": text,
        }
        if text.startswith("/"):
            message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        if edited:
            message["edit_date"] = message["date"]
        return self.update({"edited_message" if edited else "message": message}, times=times)

    def press(self, user: int, data: str, *, of: Said | None = None, times: int = 1) -> int:
        """Somebody presses a button, forged or not."""
        said = of or (self.said[-1] if self.said else Said(user, 1, "?"))
        message = {
            "message_id": said.message_id,
            "date": wall_ms() // 1000,
            "chat": {"id": user, "type": "private"},
            "from": ME,
            "text": re.sub("<[^>]*>", "", said.text),
        }
        query = {
            "id": str(self._next_message()),
            "from": {"id": user, "is_bot": False, "first_name": "somebody"},
            "chat_instance": "1",
            "message": message,
            "data": data,
        }
        return self.update({"callback_query": query}, times=times)

    def update(self, content: dict[str, Any], *, times: int = 1) -> int:
        """Any update; returns its id."""
        with self._changed:
            self._last_update += 1
            update = {"update_id": self._last_update, **content}
            self._updates += [update] * times
            self._changed.notify_all()
            return self._last_update

    def repeat(self, update_id: int) -> None:
        """Hand an update out again, acknowledged or not."""
        with self._changed:
            self._updates += [u for u in self._updates if u["update_id"] == update_id][:1]
            self._acknowledged = min(self._acknowledged, update_id - 1)
            self._changed.notify_all()

    # What tests ask.

    def wait(self, condition: Callable[[], Any], within_s: float = 15) -> None:
        """Until it holds; fails with what was said."""
        with self._changed:
            held = self._changed.wait_for(condition, within_s)
            assert held, f"not within {within_s} s; the bot said {[said.text for said in self.said][-5:]}"

    def answers(self, count: int, within_s: float = 15) -> list[Said]:
        """Everything said once so much was said."""
        self.wait(lambda: len(self.said) >= count, within_s)
        return list(self.said)

    def taken(self, update_id: int, within_s: float = 30) -> None:
        """Wait until the bot has acknowledged this update."""
        self.wait(lambda: self._acknowledged >= update_id, within_s)

    # The server's side.

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
            _reply(handler, 502, b"<html>502 Bad Gateway</html>", "text/html")
            return
        if fault is not None and fault.kind == "flood":
            wait = {"retry_after": int(fault.seconds)}
            answer = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": wait}
            _reply(handler, 429, json.dumps(answer).encode())
            return
        status, result = self._answer(token, method, fields, files)
        if fault is not None and fault.kind == "lost":
            handler.close_connection = True
            return
        body = {"ok": True, "result": result} if status == 200 else {
            "ok": False, "error_code": status, "description": result}  # fmt: skip
        _reply(handler, status, json.dumps(body).encode())

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
        trouble = _judged(fields.get("text", ""), fields, LONGEST)
        return (400, trouble) if trouble else self._keep(fields, fields["text"], None)

    def _photo(self, fields: dict[str, str], files: dict[str, bytes]) -> tuple[int, Any]:
        caption = fields.get("caption", "")
        trouble = _judged(caption, fields, LONGEST_CAPTION) if caption else ""
        png = next(iter(files.values()), b"")
        if not png.startswith(b"\x89PNG"):
            trouble = trouble or "Bad Request: IMAGE_PROCESS_FAILED"
        return (400, trouble) if trouble else self._keep(fields, caption, png)

    def _edit(self, fields: dict[str, str], _files: dict[str, bytes]) -> tuple[int, Any]:
        trouble = _judged(fields.get("text", ""), fields, LONGEST)
        if trouble:
            return 400, trouble
        with self._changed:
            for index, said in enumerate(self.said):
                if said.message_id == int(fields["message_id"]):
                    new = replace(said, text=fields["text"], buttons=_buttons(fields), edits=said.edits + 1)
                    if (new.text, new.buttons) == (said.text, said.buttons):
                        return 400, "Bad Request: message is not modified"
                    self.said[index] = new
                    self._changed.notify_all()
                    return 200, _message(new)
        return 400, "Bad Request: message to edit not found"

    def _keep(self, fields: dict[str, str], text: str, png: bytes | None) -> tuple[int, Any]:
        said = Said(
            int(fields["chat_id"]), self._next_message(), text, _buttons(fields), png,
            fields.get("disable_notification") == "true",
        )  # fmt: skip
        with self._changed:
            self.said.append(said)
            self._changed.notify_all()
        if self.on_said is not None:
            self.on_said(said)
        return 200, _message(said)

    def _next_message(self) -> int:
        with self._changed:
            self._last_message += 1
            return self._last_message

    def _pending(self, offset: int, wait_s: float) -> list[dict[str, Any]]:
        def waiting() -> list[dict[str, Any]]:
            return [update for update in self._updates if update["update_id"] > self._acknowledged]

        with self._changed:
            if offset:
                self._acknowledged = max(self._acknowledged, offset - 1)
                self._changed.notify_all()
            self._changed.wait_for(waiting, wait_s)
            return waiting()[:100]


def _fields(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    if not content_type.startswith("multipart/"):
        return dict(parse_qsl(body.decode(), keep_blank_values=True)), {}
    parts = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in parts.get_payload():
        assert not isinstance(part, str)
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            files[name] = content
        else:
            fields[name] = content.decode()
    return fields, files


def _judged(text: str, fields: dict[str, str], longest: int) -> str:
    """What the real API would say against it; empty if nothing."""
    shown = text
    if fields.get("parse_mode") == "HTML":
        markup = _Markup(text)
        if markup.trouble:
            return f"Bad Request: can't parse entities: {markup.trouble}"
        shown = "".join(markup.text)
    if not shown.strip():
        return "Bad Request: message text is empty"
    if len(shown) > longest:
        return "Bad Request: message is too long"
    if any(len(data.encode()) > LONGEST_DATA for _, data in _buttons(fields)):
        return "Bad Request: BUTTON_DATA_INVALID"
    return ""


def _buttons(fields: dict[str, str]) -> tuple[tuple[str, str], ...]:
    rows = json.loads(fields.get("reply_markup") or "{}").get("inline_keyboard", [])
    return tuple((button["text"], button["callback_data"]) for row in rows for button in row)


def _message(said: Said) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "message_id": said.message_id,
        "date": wall_ms() // 1000,
        "chat": {"id": said.chat_id, "type": "private"},
    }
    if said.png is None:
        return sent | {"text": said.text}
    return sent | {"photo": [{"file_id": "1", "file_unique_id": "1", "width": 1080, "height": 1080}]}


def _reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the bot was told to stop meanwhile
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
