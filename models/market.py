"""Confirmed candles and funding rates."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped

from models.base import Base, CreatedAt


class CandleRow(Base):
    """A confirmed candle; `ts` is the bar's open, market time."""

    __tablename__ = "candles"
    __table_args__ = (PrimaryKeyConstraint("inst_id", "bar", "ts"),)
    inst_id: Mapped[str]
    bar: Mapped[str]
    ts: Mapped[datetime]
    open: Mapped[Decimal]
    high: Mapped[Decimal]
    low: Mapped[Decimal]
    close: Mapped[Decimal]
    vol_contracts: Mapped[Decimal]
    vol_coins: Mapped[Decimal]
    vol_quote: Mapped[Decimal]


class FundingRate(Base):
    """The rate of one settlement, as last seen before it or as realised."""

    __tablename__ = "funding"
    __table_args__ = (PrimaryKeyConstraint("inst_id", "funding_market_at"),)
    inst_id: Mapped[str]
    funding_market_at: Mapped[datetime]
    rate: Mapped[Decimal]
    seen_at: Mapped[CreatedAt]
