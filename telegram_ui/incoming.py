"""What an update is, and whether its sender is heard at all.

Heard: a message or a button press of a listed user, in a private chat. Everything else (strangers, groups, edits,
channels, updates of kinds we did not ask for) is not: no answer, no effect. The user id decides, never a name.
"""

from dataclasses import dataclass
from enum import Enum

from telegram import Message, Update
from telegram.constants import ChatType

from settings import AnySettings
from telegram_ui.text import plain
from trading.clock import wall_now

STALE_S = 60
LONGEST = 4096


@dataclass(frozen=True)
class Incoming:
    """One heard update. Exactly one of `text` and `pressed` is not empty."""

    update_id: int
    user_id: int
    chat_id: int
    admin: bool
    text: str = ""
    pressed: str = ""
    press_id: str = ""
    message_id: int | None = None  # of the message whose button was pressed
    question: str = ""  # its words
    stale: bool = False


class Unheard(Enum):
    """Why an update is not heard."""

    STRANGER = "stranger"
    NOT_FOR_US = "not for us"


def read(update: Update, settings: AnySettings) -> Incoming | Unheard:
    """Judge an update."""
    user = update.effective_user
    if user is None:
        return Unheard.NOT_FOR_US
    listed = {*settings.telegram_user_ids, *settings.telegram_admin_ids}
    if user.id not in listed:
        return Unheard.STRANGER
    admin = user.id in settings.telegram_admin_ids
    query = update.callback_query
    if query is not None:
        message = query.message
        if message is None or message.chat.type != ChatType.PRIVATE or message.chat.id != user.id:
            return Unheard.NOT_FOR_US
        return Incoming(
            update.update_id, user.id, message.chat.id, admin,
            pressed=plain(query.data or "", 64), press_id=query.id, message_id=message.message_id,
            question=plain((message.text or "") if isinstance(message, Message) else "", LONGEST),
        )  # fmt: skip
    written = update.message  # not `effective_message`: an edit is not a command
    if written is None or written.chat.type != ChatType.PRIVATE or written.chat.id != user.id or not written.text:
        return Unheard.NOT_FOR_US
    stale = (wall_now() - written.date).total_seconds() > STALE_S
    return Incoming(
        update.update_id, user.id, written.chat.id, admin, text=plain(written.text, LONGEST).strip(), stale=stale
    )


def parse(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Command and words of `/name@bot words`; None when it is no command."""
    head, *words = text.split() or [""]
    if not head.startswith("/") or len(head) < 2:
        return None
    return head[1:].partition("@")[0].lower(), tuple(words)
