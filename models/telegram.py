"""What the Telegram service must not forget: updates acted on, questions asked, alerts delivered, positions read."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import AccountRef, Base, BigId, CreatedAt, one_of

DELIVERY_STATES = ("sending", "sent", "failed", "refused")


class TelegramUpdate(Base):
    """An update of a listed user, stored before it is acted on: the unique id is why it is acted on once."""

    __tablename__ = "telegram_updates"
    update_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int]
    what: Mapped[str]
    received_at: Mapped[CreatedAt]


class TelegramConfirmation(Base):
    """The second step of a dangerous command: a nonce, for one user, once, until it expires (wall time)."""

    __tablename__ = "telegram_confirmations"
    nonce: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[AccountRef]
    user_id: Mapped[int]
    action: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class TelegramDelivery(Base):
    """An alert on its way to one chat.

    `sending` is committed before the request: found later, nobody knows whether it was shown. `refused`: Telegram
    will never take it.
    """

    __tablename__ = "telegram_deliveries"
    __table_args__ = (
        UniqueConstraint("alert_id", "chat_id"),
        CheckConstraint(one_of("state", DELIVERY_STATES), name="state"),
    )
    id: Mapped[BigId]
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"))
    chat_id: Mapped[int]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="1")
    message_id: Mapped[int | None]
    tried_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class ReadingPosition(Base):
    """How far a source of events has been turned into alerts; written in the transaction of those alerts."""

    __tablename__ = "reading_positions"
    __table_args__ = (PrimaryKeyConstraint("account_id", "source"),)
    account_id: Mapped[AccountRef]
    source: Mapped[str]  # a Redis stream, or a table
    position: Mapped[str]
