"""One heard update: a command or a button press, acted on once and answered.

Commands run on threads; `/halt` has threads of its own, so that nothing else can keep it waiting. Errors inside a
command are answered in words that claim nothing.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from telegram import Bot, Update
from telegram.error import BadRequest, TelegramError

from telegram_ui import confirmations, once, strangers
from telegram_ui.actions import ACTIONS, asked_by_button
from telegram_ui.commands.table import Command, find
from telegram_ui.desk import Answer, Button, Desk, Request
from telegram_ui.incoming import Incoming, Unheard, parse, read
from telegram_ui.paging import asked_page, page_buttons, pages
from telegram_ui.pictures.painter import Painter
from telegram_ui.sending import insist, keyboard, send_picture, send_text
from telegram_ui.text import escaped
from telegram_ui.waiting import on_thread

logger = structlog.get_logger()
T = TypeVar("T")

NO_ADMIN = "You may look, not change; TELEGRAM_ADMIN_IDS lists who may."
GONE = "This button is no longer valid; send the command again."
STALE = "is over a minute old and was not acted on; send it again if you still mean it."
NOT_CHANGED, NOT_KNOWN = "Nothing was changed.", "Whether it was done is not known."
HALT = "halt"
# Flatten takes up to 20 s of its own.
WITHIN_S, HALT_WITHIN_S = 45.0, 10.0


class Conversation:
    """Everything said to and by the people listed."""

    def __init__(self, desk: Desk, bot: Bot, painter: Painter) -> None:
        self._desk = desk
        self._bot = bot
        self._painter = painter
        self._strangers = strangers.Strangers()
        self._threads = ThreadPoolExecutor(4, "command")
        self._halt_threads = ThreadPoolExecutor(2, "halt")

    def close(self) -> None:
        """Commands in hand end; nothing new begins."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._halt_threads.shutdown(wait=True)

    async def hear(self, update: Update) -> None:
        """One update, whatever it is."""
        incoming = read(update, self._desk.settings)
        if incoming is Unheard.STRANGER:
            assert update.effective_user is not None
            await self._knocked(update.effective_user.id)
        if isinstance(incoming, Unheard):
            return
        if incoming.pressed:
            await self._pressed(incoming)
        elif incoming.text:
            await self._said(incoming)

    async def _knocked(self, user_id: int) -> None:
        count = self._strangers.knocked()
        if not count:
            return
        try:
            await self._run(self._threads, strangers.tell, self._desk.ctx, user_id, count)
        except SQLAlchemyError as error:
            logger.warning("stranger_not_told", error=type(error).__name__)
            self._strangers.not_told(count)

    async def _said(self, incoming: Incoming) -> None:
        parsed = parse(incoming.text)
        name, words = parsed or ("", ())
        command = find(name)
        request = Request(incoming.user_id, incoming.admin, incoming.update_id, words)
        if command is not None and command.name == HALT and incoming.admin and not incoming.stale:
            await self._halt(incoming, command, request)
            return
        changes = command is not None and command.changes(words)
        audited = changes and incoming.admin and not incoming.stale
        try:
            claimed = await self._run(
                self._threads, partial(once.claim, audited=audited), self._desk.ctx, incoming.update_id,
                incoming.user_id, incoming.text[:200],
            )  # fmt: skip
        except SQLAlchemyError as error:
            await self._answer(incoming, _no_database(error, "Nothing was done."))
            return
        if not claimed:
            return
        if command is None:
            known = f"There is no /{escaped(name, 30)}; " if parsed else "A command begins with /; "
            await self._answer(incoming, Answer.of(known + "/help lists what there is."))
        elif incoming.stale:
            await self._answer(incoming, Answer.of(f"{escaped(incoming.text, 40)} {STALE}"))
        elif changes and not incoming.admin:
            logger.warning("telegram_not_admin", user_id=incoming.user_id, command=name)
            await self._answer(incoming, Answer.of(NO_ADMIN))
        else:
            otherwise = NOT_KNOWN if changes else NOT_CHANGED
            answer = await self._safely(self._threads, command.run, request, otherwise)
            await self._answer(incoming, answer, f"{name} {' '.join(words)}".strip())

    async def _halt(self, incoming: Incoming, command: Command, request: Request) -> None:
        """Seen before: nothing. Else halt, and only then remember: a crash in between must not lose it."""
        try:
            if await self._run(self._halt_threads, once.seen, self._desk.ctx, incoming.update_id):
                return
            answer = await self._run(self._halt_threads, command.run, self._desk, request)
            await self._run(
                self._halt_threads, partial(once.claim, audited=True), self._desk.ctx, incoming.update_id,
                incoming.user_id, incoming.text[:200],
            )  # fmt: skip
        except SQLAlchemyError as error:
            logger.exception("halt_failed")
            answer = _no_database(error, "Whether the halt took effect is NOT known: send /halt again.")
        await self._answer(incoming, answer)

    async def _pressed(self, incoming: Incoming) -> None:
        kind, _, rest = incoming.pressed.partition(":")
        try:
            audited = kind == "go" and incoming.admin
            claimed = await self._run(
                self._threads, partial(once.claim, audited=audited), self._desk.ctx, incoming.update_id,
                incoming.user_id, f"button {incoming.pressed}",
            )  # fmt: skip
        except SQLAlchemyError as error:
            await self._acknowledge(incoming)
            await self._answer(incoming, _no_database(error, "Nothing was done."))
            return
        if not claimed:
            return
        if kind == "p":
            await self._turn_page(incoming)
        elif kind == "ask":
            await self._ask(incoming, rest)
        elif kind in ("go", "no"):
            await self._confirmed(incoming, kind == "go", rest)
        else:
            await self._acknowledge(incoming, GONE)

    async def _turn_page(self, incoming: Incoming) -> None:
        asked = asked_page(incoming.pressed)
        parsed = parse("/" + asked[1]) if asked else None
        command = find(parsed[0]) if parsed else None
        if asked is None or parsed is None or command is None or command.changes(parsed[1]):
            await self._acknowledge(incoming, GONE)
            return
        await self._acknowledge(incoming)
        request = Request(incoming.user_id, incoming.admin, incoming.update_id, parsed[1])
        answer = await self._safely(self._threads, command.run, request)
        shown = pages(answer.blocks)
        if not shown or incoming.message_id is None:
            return
        page = min(asked[0], len(shown) - 1)
        buttons = _with_pages(answer.buttons, asked[1], page, len(shown))
        try:
            await self._bot.edit_message_text(
                shown[page], chat_id=incoming.chat_id, message_id=incoming.message_id, parse_mode="HTML",
                reply_markup=keyboard(buttons),
            )  # fmt: skip
        except BadRequest as error:  # the same page again, or a message that is gone
            logger.info("page_not_turned", error=error.message)

    async def _ask(self, incoming: Incoming, rest: str) -> None:
        what, _, inst_id = rest.partition(":")
        if not incoming.admin or what not in ("close", "even") or inst_id not in self._desk.settings.instruments:
            await self._acknowledge(incoming, NO_ADMIN if not incoming.admin else GONE)
            return
        await self._acknowledge(incoming)
        request = Request(incoming.user_id, incoming.admin, incoming.update_id)
        answer = await self._safely(self._threads, lambda desk, _request: asked_by_button(desk, what, inst_id), request)
        await self._answer(incoming, answer)

    async def _confirmed(self, incoming: Incoming, yes: bool, nonce: str) -> None:
        """Use the nonce up; do what it stands for, if yes."""
        if not incoming.admin:
            await self._acknowledge(incoming, NO_ADMIN)
            return
        try:
            question = await self._run(self._threads, confirmations.take, self._desk.ctx, incoming.user_id, nonce)
        except SQLAlchemyError as error:
            await self._acknowledge(incoming)
            await self._answer(incoming, _no_database(error, "Nothing was done."))
            return
        if question is None or question.action not in ACTIONS:
            await self._acknowledge(incoming, "Too late, or pressed before. Nothing was done; send the command again.")
            return
        await self._acknowledge(incoming, "Working on it…" if yes else "Not done.")
        await self._settled(incoming, "→ yes" if yes else "→ not done")
        if not yes:
            return
        request = Request(incoming.user_id, incoming.admin, incoming.update_id)
        act, detail = ACTIONS[question.action], dict(question.detail)
        answer = await self._safely(self._threads, lambda desk, asked: act(desk, asked, detail), request, NOT_KNOWN)
        await self._answer(incoming, answer)

    async def _answer(self, incoming: Incoming, answer: Answer, command: str = "") -> None:
        """Say it: text in pages, then pictures; a question with its two buttons."""
        shown = pages(answer.blocks)
        buttons = _with_pages(answer.buttons, command, 0, len(shown))
        if page_buttons(command, 0, len(shown)) is None:  # too many words to turn pages by
            shown[0] += f"\n\nPage 1 of {len(shown)}; a shorter command has buttons for the others."
        if answer.question is not None:
            ask = partial(confirmations.ask, self._desk.ctx, incoming.user_id, answer.question)
            try:
                buttons = (await self._run(self._threads, ask),)
            except SQLAlchemyError as error:
                shown, buttons = list(_no_database(error, "Nothing was done.").blocks), ()
        if shown:
            await insist(partial(send_text, self._bot, incoming.chat_id, shown[0], buttons))
        for picture in answer.pictures:
            drawn = await self._painter.draw(picture)
            if drawn is None:
                await send_text(self._bot, incoming.chat_id, "The picture could not be drawn; the log says why.")
            else:
                await insist(partial(send_picture, self._bot, incoming.chat_id, drawn, escaped(picture.title)))

    async def _safely(
        self,
        threads: ThreadPoolExecutor,
        run: Callable[[Desk, Request], Answer],
        request: Request,
        otherwise: str = NOT_CHANGED,
    ) -> Answer:
        try:
            return await self._run(threads, run, self._desk, request)
        except SQLAlchemyError as error:
            logger.exception("telegram_command_failed")
            return _no_database(error, otherwise)

    async def _run(self, threads: ThreadPoolExecutor, call: Callable[..., T], *arguments: object) -> T:
        within_s = HALT_WITHIN_S if threads is self._halt_threads else WITHIN_S
        return await on_thread(threads, within_s, call, *arguments)

    async def _acknowledge(self, incoming: Incoming, text: str | None = None) -> None:
        """End the button's waiting mark; a press may be too old for it, which changes nothing."""
        try:
            await self._bot.answer_callback_query(incoming.press_id, text=text, show_alert=text in (GONE, NO_ADMIN))
        except TelegramError as error:
            logger.info("press_not_acknowledged", error=str(error))

    async def _settled(self, incoming: Incoming, how: str) -> None:
        """Write under the question how it was answered; its buttons go."""
        try:
            await self._bot.edit_message_text(
                f"{escaped(incoming.question, 3500)}\n{how}", chat_id=incoming.chat_id,
                message_id=incoming.message_id, parse_mode="HTML",
            )  # fmt: skip
        except TelegramError as error:
            logger.info("question_not_edited", error=str(error))


def _with_pages(
    buttons: tuple[tuple[Button, ...], ...], command: str, page: int, count: int
) -> tuple[tuple[Button, ...], ...]:
    turning = page_buttons(command, page, count)
    return (*buttons, turning) if turning else buttons


def _no_database(error: SQLAlchemyError, therefore: str) -> Answer:
    return Answer.of(f"🚨 The database does not answer ({type(error).__name__}). {escaped(therefore)}")
