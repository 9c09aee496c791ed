"""Ten thousand updates nobody should send: no crash, no action by the unauthorised, no word to strangers."""

import asyncio
import random

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs
from telegram import Update

from models import Alert, AuditEntry, BotState, LimitOverride, Order, PlaybookVersion, TelegramConfirmation
from standins.telegram_wire import ME
from telegram_ui.service import build_application
from tests.telegram_ui.conftest import GUEST, OWNER, STRANGER
from trading.clock import wall_ms

UPDATES = 10_000
AT_ONCE = 100
COMMANDS = ("halt", "resume", "flatten", "flatten all", "config max_leverage 1", "playbook rollback 1", "reflect",
            "status", "positions", "trades 3", "why 1", "help", "start", "research x", "nonsense")  # fmt: skip
HARMLESS = ("start", "help", "trades x", "why 0", "why 999999999999999999", "trades 0", "playbook diff 0 999999999",
            "config no such", "performance x", "chart ../etc/passwd", "nonsense", "alerts -1", "why ²")  # fmt: skip
PIECES = ("<b>", "&", "\0", "\u202e", "\ud800", "💣", "%s", "{}", "'; DROP TABLE orders; --", "/halt", "\n", "٣",
          "\uffff", "a" * 500)  # fmt: skip
DATA = ("go:", "go:x", "no:x", "ask:close:BTC-USDT-SWAP", "ask:even:BTC-USDT-SWAP", "ask:flatten:", "p:0:halt",
        "p:1:flatten all", "p:0:config max_leverage 1", "p:999:trades 3", "p:x:y", ":::", "go:' OR 1=1 --", "\0",
        "🙂" * 16)  # fmt: skip
ELSE = ("edited_message", "channel_post", "edited_channel_post", "inline_query", "chosen_inline_result",
        "shipping_query", "pre_checkout_query", "poll", "poll_answer", "my_chat_member", "chat_member",
        "chat_join_request", "unheard_of")  # fmt: skip


def junk(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 12)))[: chance.choice((20, 4096, 50_000))]


def person(id_: int) -> dict:
    return {"id": id_, "is_bot": False, "first_name": "<b>x</b>", "username": "owner"}


def message(chance: random.Random, who: int, text: str, chat: str = "private") -> dict:
    made = {
        "message_id": chance.randint(1, 10**6),
        "date": wall_ms() // 1000 - chance.choice((0, 0, 0, 90, 10**8, -(10**6))),
        "from": person(who),
        "chat": {"id": who if chat == "private" else -100, "type": chat, "title": "x"},
    }
    return made | {chance.choice(("text", "text", "text", "caption", "unknown_field")): text}


def content(chance: random.Random) -> dict:
    """Anything but an admin's own valid order."""
    kind = chance.random()
    who = chance.choice((STRANGER, chance.randint(1, 10**9), GUEST)) if chance.random() < 0.9 else OWNER
    if kind < 0.45:
        text = f"/{chance.choice(HARMLESS if who == OWNER else COMMANDS)}" if chance.random() < 0.7 else junk(chance)
        if who == OWNER and "/halt" in text:
            text = "x" + text
        return {"message": message(chance, who, text, chance.choice(("private", "private", "group", "supergroup")))}
    if kind < 0.8:
        data = chance.choice(DATA) if chance.random() < 0.8 else junk(chance)[:64]
        query = {"id": "1", "from": person(who), "chat_instance": "1", "data": data}
        shown = {"message_id": 1, "date": chance.choice((0, wall_ms() // 1000)), "chat": {"id": who, "type": "private"},
                 "from": ME, "text": "question"}  # fmt: skip
        if chance.random() < 0.1:
            return {"callback_query": query | {"inline_message_id": "1"}}
        return {"callback_query": query | {"message": shown}}
    if kind < 0.9:
        return {chance.choice(ELSE[:3]): message(chance, who, "/halt")}
    return {
        chance.choice(ELSE[3:]): {"id": "1", "from": person(who), "query": "/halt", "offset": "", "user": person(who)}
    }


def updates(count: int):
    chance = random.Random(7)
    made = 0
    while made < count:
        update = {"update_id": made + 1 - (chance.random() < 0.02), **content(chance)}
        try:
            parsed = Update.de_json(update, None)
        except (TypeError, KeyError, ValueError):
            continue  # Telegram's own types would never be built so; the library refuses them
        made += 1
        yield parsed


@pytest.mark.timeout(400)
def test_ten_thousand_updates_crash_nothing_and_move_nothing(seeded, api):
    async def run() -> None:
        application = build_application(seeded, messages_per_s=10_000)
        async with application:
            waiting = []
            for update in updates(UPDATES):
                update.set_bot(application.bot)
                waiting.append(application.process_update(update))
                if len(waiting) == AT_ONCE:
                    await asyncio.gather(*waiting)
                    waiting = []
            await asyncio.gather(*waiting)
            await application.post_stop(application)

    with capture_logs() as logs:
        asyncio.run(run())
    failed = [line for line in logs if line["log_level"] in ("error", "critical")]
    assert failed == []
    with seeded.ctx.sessions() as session:
        state = session.get_one(BotState, seeded.ctx.account_id)
        assert not state.halted
        assert session.scalars(select(LimitOverride)).all() == []
        assert session.scalars(select(Order.id)).all() == [1]  # the seeded one
        assert session.scalars(select(PlaybookVersion.version).order_by(PlaybookVersion.version)).all() == [1, 2]
        others = TelegramConfirmation.user_id != OWNER
        assert session.scalars(select(TelegramConfirmation).where(others)).all() == []
        assert session.scalar(select(func.count()).select_from(AuditEntry).where(AuditEntry.action != "asked")) == 0
        assert session.scalars(select(AuditEntry.actor).distinct()).all() in ([], [f"telegram:{OWNER}"])
        assert len(session.scalars(select(Alert).where(Alert.kind == "telegram_stranger")).all()) == 1
    assert {said.chat_id for said in api.said} <= {OWNER, GUEST}
    assert api.said
    # Nothing but presses of buttons under messages that are not there.
    assert {each.partition(": ")[2] for each in api.refused} <= {"Bad Request: message to edit not found"}
