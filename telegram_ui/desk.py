"""What a command is given and what it answers.

A command is a plain function `command(desk, request) -> Answer`: it reads PostgreSQL, acts through `execution.control`
and never talks to Telegram. It runs on a thread.
"""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from execution.context import ExecutionContext
from settings import AnySettings
from telegram_ui.pictures.subjects import Subject
from telegram_ui.present import Present


@dataclass(frozen=True)
class Desk:
    """Built once a process. `present` reads Redis, and is told to give up within a second."""

    ctx: ExecutionContext
    present: Present

    @property
    def settings(self) -> AnySettings:
        return self.ctx.settings

    @property
    def zone(self) -> ZoneInfo:
        """Zone of every time shown."""
        return ZoneInfo(self.ctx.settings.telegram_timezone)


@dataclass(frozen=True)
class Request:
    """Who asks, and with which words. `update_id` is Telegram's."""

    user_id: int
    admin: bool
    update_id: int
    words: tuple[str, ...] = ()

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return f"telegram:{self.user_id}"

    @property
    def text(self) -> str:
        """Everything after the command."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Button:
    """A button under an answer. `data` is what its press sends back, at most 64 bytes."""

    label: str
    data: str

    def __post_init__(self) -> None:
        if len(self.data.encode()) > 64:
            raise ValueError(f"callback data over 64 bytes: {self.data}")


@dataclass(frozen=True)
class Question:
    """A dangerous thing, to be confirmed: `action` of `telegram_ui.actions` with its detail."""

    action: str
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Blocks of Telegram HTML, each whole in itself and at most 3,500 characters; pages are made of whole blocks."""

    blocks: tuple[str, ...]
    buttons: tuple[tuple[Button, ...], ...] = ()
    pictures: tuple[Subject, ...] = ()
    question: Question | None = None

    @classmethod
    def of(cls, *blocks: str) -> "Answer":
        """Text alone."""
        return cls(blocks)
