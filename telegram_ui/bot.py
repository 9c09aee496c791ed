"""Commands `/status`, `/halt [reason]` and `/help`, for the listed users in a private chat only.

Strangers get no answer. An edited or stale message (over 60 s old) is not acted on. `/halt` answers with what is
true: the flag is committed, and what was already on its way is listed. Everything it says comes from PostgreSQL.
"""

import asyncio

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from telegram import Update
from telegram.ext import Application, ApplicationBuilder, CommandHandler, ContextTypes, filters

from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution import control
from execution.binding import read_binding
from execution.context import ExecutionContext
from models import BotState, DecisionCycle, Position
from models.session import build_engine, build_sessions
from settings import AnySettings
from trading.clock import wall_now

logger = structlog.get_logger()
STALE_S = 60
HELP = "/status what the bot is doing\n/halt [reason] no new entries\n/help this list"


def build_context(settings: AnySettings) -> ExecutionContext:
    """What a command may use; sends no task messages."""
    assert settings.database_url is not None, "DATABASE_URL is set by `okxbot up`"
    sessions = build_sessions(build_engine(settings.database_url.get_secret_value(), "telegram"))
    binding = read_binding(sessions)
    return ExecutionContext(
        sessions=sessions,
        exchange=OkxExchange.from_settings(settings),
        clock=build_clock(settings),
        settings=settings,
        account_id=binding.account_id,
        order_prefix=binding.order_prefix,
        send=lambda _task, _queue, _args: False,
    )


def status_text(ctx: ExecutionContext) -> str:
    """A few lines fit for a phone."""
    with ctx.sessions() as session:
        state = session.get_one(BotState, ctx.account_id)
        positions = session.scalars(
            select(Position).where(Position.account_id == ctx.account_id, Position.contracts != 0)
        ).all()
        last = session.scalars(
            select(DecisionCycle)
            .where(DecisionCycle.account_id == ctx.account_id, DecisionCycle.outcome.is_not(None))
            .order_by(DecisionCycle.id.desc())
            .limit(1)
        ).one_or_none()
    head = f"HALTED ({state.halt_kind}): {state.halt_reason}" if state.halted else state.state
    lines = [f"{head} · {ctx.settings.trading_mode} · analyst {ctx.settings.analyst_in_use}"]
    lines.append(f"equity {state.equity:,.2f} USDT" if state.equity is not None else "equity unknown")
    lines += [_position_line(position) for position in positions] or ["no open position"]
    if last is not None:
        lines.append(f"last: {last.inst_id} {last.outcome}: {(last.reason or '')[:200]}")
    return "\n".join(lines)


def _position_line(position: Position) -> str:
    side = "long" if position.contracts > 0 else "short"
    stop = f"stop {position.stop_px:f}" if position.stop_px is not None else "NO STOP"
    return f"{position.inst_id} {side} {abs(position.contracts):f} upl {position.upl:+.2f} {stop}"


def halt_text(ctx: ExecutionContext, reason: str, actor: str) -> str:
    """Halt, and say what is true afterwards."""
    answer = control.halt(ctx, reason=reason, actor=actor, channel="telegram")
    text = f"{'Halted' if answer.new else 'Was halted already'} ({answer.kind}): {answer.reason}"
    return text + "".join(f"\nalready on its way: {cl_ord_id}" for cl_ord_id in answer.in_flight)


def build_application(settings: AnySettings, ctx: ExecutionContext, base_url: str | None = None) -> Application:
    """The application with its handlers; nothing runs yet."""
    assert settings.telegram_bot_token is not None
    builder = ApplicationBuilder().token(settings.telegram_bot_token.get_secret_value())
    if base_url is not None:
        builder = builder.base_url(base_url)
    application = builder.post_init(_started).build()
    # An empty list means nobody.
    mine = filters.User(user_id=list(settings.telegram_user_ids)) & filters.ChatType.PRIVATE

    async def status(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        await _reply(update, await asyncio.to_thread(status_text, ctx))

    async def halt(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message is not None
        assert update.effective_user is not None
        if (wall_now() - update.message.date).total_seconds() > STALE_S:
            await _reply(update, "That message is over a minute old; send /halt again if you still mean it.")
            return
        reason = " ".join(context.args or []) or "by hand"
        actor = f"telegram:{update.effective_user.id}"
        try:
            answer = await asyncio.to_thread(halt_text, ctx, reason, actor)
        except SQLAlchemyError as error:
            logger.exception("halt_failed")
            answer = f"NOT halted: the database does not answer ({type(error).__name__}); try again"
        await _reply(update, answer)

    async def help_(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        await _reply(update, HELP)

    for name, handler in (("status", status), ("halt", halt), ("help", help_), ("start", help_)):
        application.add_handler(CommandHandler(name, handler, filters=mine & ~filters.UpdateType.EDITED))
    return application


async def _started(_application: Application) -> None:
    logger.info("telegram_bot_started")


async def _reply(update: Update, text: str) -> None:
    assert update.message is not None
    await update.message.reply_text(text[:4000])


def serve(settings: AnySettings) -> None:
    """Poll until SIGTERM."""
    if not settings.telegram_user_ids:
        logger.warning("telegram_nobody_allowed", mend="set TELEGRAM_USER_IDS to your numeric Telegram user id")
    application = build_application(settings, build_context(settings))
    application.run_polling(allowed_updates=["message"], drop_pending_updates=False)
    logger.info("shutdown_complete")
