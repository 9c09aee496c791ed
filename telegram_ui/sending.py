"""Messages as Telegram takes them: HTML; where it refuses that, plain text, cut where it is too long."""

import asyncio
from collections.abc import Awaitable, Callable
from html import unescape
from re import sub

import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, NetworkError

from telegram_ui.desk import Button
from telegram_ui.text import plain

logger = structlog.get_logger()
CAPTION = 1024
PAUSES_S = (1.0, 3.0, 6.0)
LONGEST = 4096 // 2  # should Telegram count what lies beyond 16 bits as two
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def keyboard(rows: tuple[tuple[Button, ...], ...]) -> InlineKeyboardMarkup | None:
    """Buttons under a message."""
    if not rows:
        return None
    return InlineKeyboardMarkup([[InlineKeyboardButton(b.label, callback_data=b.data) for b in row] for row in rows])


async def send_text(
    bot: Bot, chat_id: int, text: str, buttons: tuple[tuple[Button, ...], ...] = (), *, silent: bool = False
) -> int:
    """Send; returns the message's id. Raises TelegramError."""
    try:
        message = await bot.send_message(
            chat_id, text, parse_mode="HTML", reply_markup=keyboard(buttons), disable_notification=silent,
            link_preview_options=NO_PREVIEW,
        )  # fmt: skip
    except BadRequest as error:
        if not any(words in error.message.lower() for words in ("parse entities", "too long")):
            raise
        # Better ugly than silent.
        logger.error("telegram_refused_the_text", error=error.message)
        message = await bot.send_message(
            chat_id, plain(without_markup(text), LONGEST), reply_markup=keyboard(buttons), disable_notification=silent
        )
    return message.message_id


async def send_picture(bot: Bot, chat_id: int, png: bytes, caption: str, *, silent: bool = False) -> int:
    """Send a PNG; returns the message's id. Raises TelegramError."""
    message = await bot.send_photo(
        chat_id, png, caption=caption, parse_mode="HTML", disable_notification=silent, filename="picture.png"
    )
    return message.message_id


async def insist(send: Callable[[], Awaitable[int]]) -> None:
    """Send an answer, again after trouble: twice is better than never. Raises TelegramError after half a minute."""
    for pause_s in PAUSES_S:
        try:
            await send()
        except NetworkError as error:
            if isinstance(error, BadRequest):
                raise
            logger.warning("answer_not_taken", error=error.message, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
        else:
            return
    await send()


def without_markup(text: str) -> str:
    """The same words without tags."""
    return unescape(sub(r"</?(b|i|pre|code)>", "", text))
