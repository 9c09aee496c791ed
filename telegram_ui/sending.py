"""Messages as Telegram takes them: HTML, and plain text where it refuses the HTML."""

from html import unescape
from re import sub

import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest

from telegram_ui.desk import Button

logger = structlog.get_logger()
CAPTION = 1024
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
        if "parse entities" not in error.message.lower():
            raise
        # Better ugly than silent.
        logger.error("telegram_refused_the_markup", error=error.message)
        message = await bot.send_message(
            chat_id, without_markup(text), reply_markup=keyboard(buttons), disable_notification=silent
        )
    return message.message_id


async def send_picture(bot: Bot, chat_id: int, png: bytes, caption: str, *, silent: bool = False) -> int:
    """Send a PNG; returns the message's id. Raises TelegramError."""
    message = await bot.send_photo(
        chat_id, png, caption=caption, parse_mode="HTML", disable_notification=silent, filename="picture.png"
    )
    return message.message_id


def without_markup(text: str) -> str:
    """The same words without tags."""
    return unescape(sub(r"</?(b|i|pre|code)>", "", text))
