"""How the machinery was doing, minute by minute, and what it did, hour by hour."""

from datetime import datetime

from sqlalchemy import Double, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class HealthSample(Base):
    """One value of one minute of wall time; `metrics.samples` says which. Kept for 14 days."""

    __tablename__ = "health_samples"
    __table_args__ = (PrimaryKeyConstraint("metric", "label", "at"), Index("ix_health_samples_at", "at"))
    at: Mapped[datetime]
    metric: Mapped[str]
    label: Mapped[str]  # what it is about: a queue, a channel, a service; empty where it is about the bot
    value: Mapped[float] = mapped_column(Double)


class ActivityHour(Base):
    """What happened in one hour of wall time; `metrics.hours` says which measures there are."""

    __tablename__ = "activity_hours"
    __table_args__ = (
        PrimaryKeyConstraint("measure", "hour", "inst_id", "label"),
        Index("ix_activity_hours_hour", "hour"),
    )
    hour: Mapped[datetime]
    measure: Mapped[str]
    inst_id: Mapped[str]  # empty where it is not about one instrument
    label: Mapped[str]  # an action, an outcome, a rule; empty for a percentile
    value: Mapped[float] = mapped_column(Double)
