"""The people who write to the bot: updates, handed out by long polling until a later offset confirms them."""

import re
import threading
from collections.abc import Callable
from typing import Any

from standins.telegram_wire import ME, Said
from trading.clock import wall_ms


class People:
    """What they do; `said` is what the bot said to them, in order."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._updates: list[dict[str, Any]] = []
        self._last_update = 0
        self._acknowledged = 0
        self._last_message = 1000
        self._changed = threading.Condition()

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
