"""Telegram's wire: fields of a request, a message of the bot in both directions, an answer over HTTP."""

import json
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

from trading.clock import wall_ms

ME = {"id": 123456, "is_bot": True, "first_name": "okxbot", "username": "okxbot_test"}


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


def fields_of(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
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


def buttons_of(fields: dict[str, str]) -> tuple[tuple[str, str], ...]:
    rows = json.loads(fields.get("reply_markup") or "{}").get("inline_keyboard", [])
    return tuple((button["text"], button["callback_data"]) for row in rows for button in row)


def message_of(said: Said) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "message_id": said.message_id,
        "date": wall_ms() // 1000,
        "chat": {"id": said.chat_id, "type": "private"},
    }
    if said.png is None:
        return sent | {"text": said.text}
    return sent | {"photo": [{"file_id": "1", "file_unique_id": "1", "width": 1080, "height": 1080}]}


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the bot was told to stop meanwhile
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
