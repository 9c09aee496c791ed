"""What the market says beside candles: typed answers of the public channels and endpoints.

`at` is market time.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last trade and best quotes, USDT."""

    inst_id: str
    last: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class BookLevel:
    """One price level; size in contracts."""

    px: Decimal
    sz_contracts: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Up to five levels a side, best first."""

    inst_id: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """Mark price, USDT."""

    inst_id: str
    px: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Funding:
    """The rate charged at the coming settlement `next_at`; positive: longs pay."""

    inst_id: str
    rate: Decimal
    next_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest in contracts."""

    inst_id: str
    contracts: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class LimitPrices:
    """Highest price a buy and lowest price a sell may name, USDT."""

    inst_id: str
    buy_max: Decimal
    sell_min: Decimal
    at: datetime


class FeeRates(NamedTuple):
    """Share of notional paid, positive; negative is a rebate."""

    maker: Decimal
    taker: Decimal
