"""The real application, polling a stand-in of Telegram, over a real database; exchange and all where a test acts."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from exchange.client import OkxExchange
from execution.context import ExecutionContext
from models.session import build_engine, build_sessions
from settings import PaperSettings
from standins.telegram_api import TOKEN, TelegramStandin
from telegram_ui.desk import Desk, Request
from telegram_ui.present import Present
from telegram_ui.service import ALLOWED_UPDATES, build_application
from tests.execution.conftest import account_file, bot, exchange_server, sessions, settings, unbound  # noqa: F401
from tests.telegram_ui.seeded import NOW, StandingClock, seed

OWNER, GUEST, STRANGER = 4711, 4712, 666
GOLDEN = Path(__file__).with_name("golden")


class Talk:
    """The real application, polling, in a thread of its own."""

    def __init__(self, desk: Desk) -> None:
        self._application = build_application(desk)
        self._polling = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Talk":
        self._thread.start()
        assert self._polling.wait(30), "the application did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        application = self._application
        # As `run_polling` does it, but for the signals, which belong to the main thread.
        async with application:
            await application.post_init(application)
            await application.start()
            await application.updater.start_polling(timeout=1, allowed_updates=ALLOWED_UPDATES)
            self._polling.set()
            await self._stop.wait()
            await application.updater.stop()
            await application.stop()
            await application.post_stop(application)


def telegram_settings(settings: PaperSettings, api_url: str, **changes: object) -> PaperSettings:  # noqa: F811
    """An owner who may act, a guest who may look."""
    return settings.model_copy(
        update={
            "telegram_bot_token": SecretStr(TOKEN),
            "telegram_base_url": api_url,
            "telegram_admin_ids": (OWNER,),
            "telegram_user_ids": (GUEST,),
            "telegram_timezone": "Europe/Berlin",
        }
        | changes
    )


def alone(api: TelegramStandin, user: int = OWNER) -> list[str]:
    """What was said to one person."""
    return [said.text for said in api.said if said.chat_id == user]


@pytest.fixture
def api() -> Iterator[TelegramStandin]:
    with TelegramStandin() as server:
        yield server


@pytest.fixture
def changes() -> dict[str, object]:
    """Settings of a test."""
    return {}


@pytest.fixture
def desk(bot, api, changes) -> Desk:  # noqa: F811
    """A desk over the paper exchange. Alerts of making it are not news."""
    ctx = replace(bot.ctx, settings=telegram_settings(bot.settings, api.url, **changes))
    return Desk(ctx, Present(None))


@pytest.fixture
def talk(desk, api) -> Iterator[TelegramStandin]:
    """A running bot of an owner (and a guest): speak through the stand-in."""
    with Talk(desk):
        yield api


@contextmanager
def desk_over(url: str, api_url: str, **changed: object) -> Iterator[Desk]:
    """A desk over a database of a week, at a moment that stands still. Nothing may reach for the exchange."""
    engine = build_engine(url, "tests")
    made = build_sessions(engine)
    account_id = seed(made)
    own = telegram_settings(PaperSettings(okx_rest_url="http://127.0.0.1:9"), api_url, **changed)
    exchange = OkxExchange.from_settings(own, public_only=True)
    ctx = ExecutionContext(
        sessions=made, exchange=exchange, clock=StandingClock(NOW), settings=own, account_id=account_id,
        order_prefix="bseed1", send=lambda *_: False,
    )  # fmt: skip
    yield Desk(ctx, Present(None))
    exchange.close()
    engine.dispose()


@pytest.fixture
def seeded(database_url, api, changes) -> Iterator[Desk]:
    """A week of this test alone."""
    with desk_over(database_url, api.url, **changes) as made:
        yield made


@pytest.fixture(scope="module")
def week(databases) -> Iterator[Desk]:
    """A week for the tests that only look."""
    with databases.lent() as url, desk_over(url, "http://127.0.0.1:9") as made:
        yield made


def asked(*words: str, admin: bool = True) -> Request:
    """A request of the owner, or of the guest."""
    return Request(OWNER if admin else GUEST, admin, 1, words)


def golden(name: str, said: str) -> None:
    """Compare with what was looked at and found good; OKXBOT_TEST_GOLDEN=write stores what is said now."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("OKXBOT_TEST_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(said + "\n")
    assert said + "\n" == path.read_text()
