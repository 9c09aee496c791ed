"""The Telegram service: the library's application, long polling or a webhook, and the tasks beside it.

Updates are worked on side by side: a slow command or picture never holds up `/halt`. Telegram being away at the start
or later is waited out. Starts with what is true in the log: who is heard, and who may change something.
"""

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from telegram import BotCommand, Update
from telegram.error import TelegramError
from telegram.ext import AIORateLimiter, Application, ApplicationBuilder, ContextTypes, TypeHandler

from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution.binding import read_binding
from execution.context import ExecutionContext
from models.session import build_engine, build_sessions
from settings import AnySettings
from telegram_ui.alerts.service import AlertService
from telegram_ui.commands.table import COMMANDS
from telegram_ui.conversation import Conversation
from telegram_ui.desk import Desk
from telegram_ui.incoming import Incoming, read
from telegram_ui.pictures.painter import Painter
from telegram_ui.present import Present
from telegram_ui.sending import send_text

logger = structlog.get_logger()
SIDE_BY_SIDE = 32
RETRIES_AFTER_FLOOD = 3
MESSAGES_PER_S = 30  # Telegram's own limit for a bot
ALLOWED_UPDATES = ["message", "callback_query"]


def build_desk(settings: AnySettings) -> Desk:
    """What commands may use; messages leave through the outbox only."""
    assert settings.database_url is not None, "DATABASE_URL is set by `okxbot up`"
    sessions = build_sessions(build_engine(settings.database_url.get_secret_value(), "telegram"))
    binding = read_binding(sessions)
    ctx = ExecutionContext(
        sessions=sessions,
        exchange=OkxExchange.from_settings(settings),
        clock=build_clock(settings),
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=lambda _task, _queue, _args: False,
    )
    return Desk(ctx, Present.at(settings.redis_url.get_secret_value() if settings.redis_url else None))


def build_application(
    desk: Desk, *, messages_per_s: float = MESSAGES_PER_S
) -> Application[Any, Any, Any, Any, Any, Any]:
    """The application with everything attached; nothing runs yet."""
    settings = desk.settings
    assert settings.telegram_bot_token is not None
    application = (
        ApplicationBuilder()
        .token(settings.telegram_bot_token.get_secret_value())
        .base_url(settings.telegram_base_url.rstrip("/") + "/bot")
        .base_file_url(settings.telegram_base_url.rstrip("/") + "/file/bot")
        .concurrent_updates(SIDE_BY_SIDE)
        .rate_limiter(AIORateLimiter(overall_max_rate=messages_per_s, max_retries=RETRIES_AFTER_FLOOD))
        .build()
    )
    painter = Painter()
    conversation = Conversation(desk, application.bot, painter)
    alerts = AlertService(desk, application.bot, painter)

    async def hear(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        await conversation.hear(update)

    async def failed(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        """Whatever a handler did not expect: logged in full, answered in a line, and the bot goes on."""
        error = context.error
        logger.error("telegram_update_failed", error=repr(error), exc_info=error)
        if isinstance(error, TelegramError) or not isinstance(update, Update):
            return
        incoming = read(update, settings)
        if isinstance(incoming, Incoming):
            await send_text(context.bot, incoming.chat_id, "That went wrong inside the bot; its log says why.")

    async def begin(_application: Any) -> None:
        await _register(application.bot)
        alerts.start()
        logger.info("telegram_bot_started")

    async def end(_application: Any) -> None:
        await alerts.stop()
        painter.close()
        conversation.close()

    application.add_handler(TypeHandler(Update, hear))
    application.add_error_handler(failed)
    application.post_init, application.post_stop = begin, end
    return application


async def _register(bot: Any) -> None:
    """The command menu; without it the commands still work."""
    try:
        await bot.set_my_commands([BotCommand(c.name, c.summary[:256]) for c in COMMANDS.values()])
    except TelegramError as error:
        logger.warning("command_menu_not_set", error=str(error))


def say_who_may(settings: AnySettings, warn: Callable[..., None] = logger.warning) -> None:
    """An empty list means nobody; better said than wondered about."""
    if not settings.telegram_user_ids and not settings.telegram_admin_ids:
        warn("telegram_nobody_allowed", mend="set TELEGRAM_ADMIN_IDS to your numeric Telegram user id")
    elif not settings.telegram_admin_ids:
        warn("telegram_nobody_may_change", mend="set TELEGRAM_ADMIN_IDS; the users listed may only look")


def serve(settings: AnySettings) -> None:
    """Ask for updates, or listen for them where a webhook is set, until SIGTERM. Raises OSError for a taken port."""
    say_who_may(settings)
    application = build_application(build_desk(settings))
    waiting: dict[str, Any] = {
        "allowed_updates": ALLOWED_UPDATES,
        "drop_pending_updates": False,
        "bootstrap_retries": -1,
    }
    if settings.telegram_webhook_url is None:
        application.run_polling(**waiting, timeout=10)
    else:
        host, _, port = settings.telegram_webhook_listen.rpartition(":")
        # Telegram says the secret with every update; whoever does not know it is answered 403. A new one each start.
        application.run_webhook(
            **waiting, listen=host, port=int(port), url_path=urlsplit(settings.telegram_webhook_url).path.lstrip("/"),
            webhook_url=settings.telegram_webhook_url, secret_token=secrets.token_urlsafe(32),
        )  # fmt: skip
    logger.info("shutdown_complete")
