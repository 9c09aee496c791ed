"""The tasks that gather and deliver, once a second, beside the conversation.

Delivered at least once: an alert is pending for a chat until Telegram has said that it took it. Shown once: an attempt
whose end is not known is made again with a word that it may be a repeat; nothing else ever is. Telegram being away
delays, a restart continues.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic
from typing import TypeVar

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from telegram import Bot
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError, TimedOut

from telegram_ui import once
from telegram_ui.alerts import gathering, health, outbox
from telegram_ui.alerts.policy import Batch, is_quiet, plan
from telegram_ui.alerts.wording import Wording, word
from telegram_ui.desk import Desk
from telegram_ui.pictures.painter import Painter
from telegram_ui.sending import CAPTION, send_picture, send_text, without_markup
from telegram_ui.waiting import on_thread

logger = structlog.get_logger()
T = TypeVar("T")
EVERY_S = 1.0
HEALTH_EVERY_S = 15.0
FORGET_EVERY_S = 86400.0
UNREACHABLE_S = 600.0
DATABASE_PATIENCE_S = 15.0
WITHIN_S = 30.0


class AlertService:
    """Runs from `start` to `stop`."""

    def __init__(self, desk: Desk, bot: Bot, painter: Painter) -> None:
        self._desk = desk
        self._bot = bot
        self._painter = painter
        self._threads = ThreadPoolExecutor(2, "alerts")
        self._tasks: list[asyncio.Task[None]] = []
        self._unreachable: dict[int, float] = {}
        self._failing_since: float | None = None
        self._told_of_database = False

    @property
    def chats(self) -> list[int]:
        """Everybody listed; in a private chat the chat's id is the user's."""
        settings = self._desk.settings
        return sorted({*settings.telegram_user_ids, *settings.telegram_admin_ids})

    def start(self) -> None:
        """Begin, on the running loop."""
        self._tasks = [asyncio.create_task(self._deliver_for_ever()), asyncio.create_task(self._look_for_ever())]

    async def stop(self) -> None:
        """End; a message in hand is sent or stays pending."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=True)

    async def _deliver_for_ever(self) -> None:
        while True:
            began = monotonic()
            try:
                await self._thread(gathering.gather_rows, self._desk.ctx)
                await self._streams()
                await self.deliver()
                await self._database_is_back()
            except SQLAlchemyError as error:
                await self._database_is_away(error, began)
            except TelegramError as error:
                logger.warning("alerts_not_delivered", error=str(error))
            except Exception:  # whatever it is, alerts go on
                logger.exception("alerts_failed")
            await asyncio.sleep(EVERY_S)

    async def _look_for_ever(self) -> None:
        forgotten = float("-inf")
        while True:
            try:
                await self._thread(health.check, self._desk)
                if monotonic() - forgotten > FORGET_EVERY_S:
                    await self._thread(once.forget_old, self._desk.ctx)
                    forgotten = monotonic()
            except SQLAlchemyError as error:
                logger.warning("health_not_checked", error=type(error).__name__)
            except Exception:
                logger.exception("health_failed")
            await asyncio.sleep(HEALTH_EVERY_S)

    async def deliver(self) -> None:
        """One round: what is due, to everybody. Raises TelegramError while Telegram takes nothing."""
        settings, ctx = self._desk.settings, self._desk.ctx
        chats = self.chats
        if not chats:
            return
        await self._thread(outbox.settle, ctx, chats, settings.telegram_least_severity)
        cooldown = timedelta(seconds=settings.telegram_cooldown_s)
        for chat_id in chats:
            if monotonic() - self._unreachable.get(chat_id, float("-inf")) < UNREACHABLE_S:
                continue
            waiting = await self._thread(outbox.pending, ctx, chat_id)
            if not waiting:
                continue
            now = ctx.clock.wall_now()
            told = await self._thread(outbox.last_sent, ctx, chat_id, outbox.horizon(now, cooldown))
            quiet = is_quiet(settings.telegram_quiet_hours, now, self._desk.zone)
            for batch in plan(waiting, told, now, quiet=quiet, cooldown=cooldown):
                if not await self._send(chat_id, batch):
                    break
        await self._thread(outbox.settle, ctx, chats, settings.telegram_least_severity)

    async def _send(self, chat_id: int, batch: Batch) -> bool:
        """One message; False when this chat is not to be tried further now."""
        ids = [alert.id for alert in batch.alerts]
        wording = await self._thread(word, self._desk, batch)
        drawn = await self._painter.draw(wording.picture) if wording.picture is not None else None
        await self._thread(outbox.begin, self._desk.ctx, chat_id, ids)
        state, message_id, go_on = "failed", None, False
        try:
            message_id = await self._say(chat_id, wording, drawn)
            state, go_on = "sent", True
        except RetryAfter as error:
            logger.warning("telegram_flood_limit", seconds=str(error.retry_after))
        except (Forbidden, BadRequest) as error:
            state, go_on = self._judge(chat_id, error)
        except TimedOut:
            logger.warning("alert_may_be_shown", alerts=ids)
            return False  # stays `sending`: nobody knows
        except NetworkError as error:
            if not _certainly_not_taken(error):
                logger.warning("alert_may_be_shown", alerts=ids, error=str(error))
                return False
            logger.warning("telegram_does_not_answer", error=str(error))
        await self._thread(outbox.end, self._desk.ctx, chat_id, ids, state, message_id)
        return go_on

    async def _say(self, chat_id: int, wording: Wording, drawn: bytes | None) -> int:
        if drawn is None:
            return await send_text(self._bot, chat_id, wording.text, silent=wording.silent)
        if len(without_markup(wording.text)) <= CAPTION:
            return await send_picture(self._bot, chat_id, drawn, wording.text, silent=wording.silent)
        message_id = await send_text(self._bot, chat_id, wording.text, silent=wording.silent)
        await send_picture(self._bot, chat_id, drawn, "", silent=True)
        return message_id

    def _judge(self, chat_id: int, error: TelegramError) -> tuple[str, bool]:
        """Whoever blocked the bot or never wrote to it keeps their alerts; what Telegram will never take is dropped."""
        if isinstance(error, Forbidden) or "chat not found" in error.message.lower():
            logger.warning("telegram_chat_unreachable", chat_id=chat_id, error=error.message)
            self._unreachable[chat_id] = monotonic()
            return "failed", False
        logger.error("telegram_refused_alert", chat_id=chat_id, error=error.message)
        return "refused", True

    async def _streams(self) -> None:
        redis = self._desk.present.redis()
        if redis is None:
            return
        try:
            await self._thread(gathering.gather_streams, self._desk.ctx, redis)
        except (RedisError, OSError) as error:
            self._desk.present.failed(error)

    async def _database_is_away(self, error: SQLAlchemyError, began: float) -> None:
        """PostgreSQL holds the alerts; that it is away, or silent since `began`, can only be said from memory."""
        logger.warning("alerts_wait_for_the_database", error=type(error).__name__)
        self._failing_since = self._failing_since or began
        if self._told_of_database or monotonic() - self._failing_since < DATABASE_PATIENCE_S:
            return
        self._told_of_database = True
        await self._tell_all("🚨 <b>The database does not answer.</b> No entry can be made; stops are at the exchange.")

    async def _database_is_back(self) -> None:
        self._failing_since = None
        if self._told_of_database:
            self._told_of_database = False
            await self._tell_all("ℹ️ The database answers again.")

    async def _tell_all(self, text: str) -> None:
        for chat_id in self.chats:
            try:
                await send_text(self._bot, chat_id, text)
            except TelegramError as error:
                logger.warning("alert_not_delivered", chat_id=chat_id, error=str(error))

    async def _thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await on_thread(self._threads, WITHIN_S, call, *arguments)


def _certainly_not_taken(error: NetworkError) -> bool:
    """Whether Telegram answered that it failed, or was never reached."""
    return "Bad Gateway" in error.message or "ConnectError" in error.message
