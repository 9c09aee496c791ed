"""Limits a person has tightened while the bot runs."""

from datetime import datetime

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from models.base import AccountRef, Base


class LimitOverride(Base):
    """A limit tighter than its setting. Whoever reads it takes the tighter of the two, so that it can never loosen."""

    __tablename__ = "limit_overrides"
    __table_args__ = (PrimaryKeyConstraint("account_id", "key"),)
    account_id: Mapped[AccountRef]
    key: Mapped[str]  # the setting's name
    value: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
