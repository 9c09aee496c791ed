"""What Telegram says against a text: too long, empty, badly marked up; against callback data over 64 bytes."""

from html.parser import HTMLParser
from typing import Any

from standins.telegram_wire import buttons_of

TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}
LONGEST, LONGEST_CAPTION, LONGEST_DATA = 4096, 1024, 64


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


def judged(text: str, fields: dict[str, str], longest: int) -> str:
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
    if any(len(data.encode()) > LONGEST_DATA for _, data in buttons_of(fields)):
        return "Bad Request: BUTTON_DATA_INVALID"
    return ""
