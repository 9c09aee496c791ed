"""A candle and the bars it comes in. `ts` is the bar's open, market time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

BAR_SECONDS: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1H": 3600,
    "2H": 7200,
    "4H": 14400,
    "1Dutc": 86400,
}
"""Bar name as OKX writes it → length in seconds."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar of one instrument. Prices in USDT; volume in contracts and in coins."""

    inst_id: str
    bar: str
    ts: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    vol_contracts: Decimal
    vol_coins: Decimal
    vol_quote: Decimal
    confirmed: bool

    @property
    def closes_at(self) -> datetime:
        """Market time of the close: the slot of the decision cycle it triggers."""
        return self.ts + timedelta(seconds=BAR_SECONDS[self.bar])
