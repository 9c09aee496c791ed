"""What a picture shows: plain data, sent to the process that draws. Prices and money as floats: they become pixels."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class EquityCurve:
    """Equity with its drawdown; `hold` is what buying and holding would have made of the first value."""

    title: str
    times: tuple[datetime, ...]
    equity: tuple[float, ...]
    hold: tuple[tuple[datetime, float], ...] = ()
    zone: str = "UTC"


@dataclass(frozen=True)
class Bar:
    """One candle; `at` is its open."""

    at: datetime
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True)
class Mark:
    """An entry or exit at a time and price; `up` points the arrow."""

    at: datetime
    price: float
    up: bool


@dataclass(frozen=True)
class Level:
    """A horizontal line: entry, stop or target."""

    name: str
    price: float


@dataclass(frozen=True)
class CandleChart:
    """Candles with entries, exits and the levels of a position's plan."""

    title: str
    bar_seconds: int
    bars: tuple[Bar, ...]
    entries: tuple[Mark, ...] = ()
    exits: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    notes: tuple[str, ...] = ()
    zone: str = "UTC"


@dataclass(frozen=True)
class StrategyProfits:
    """Net profit by strategy, USDT, with the number of trades."""

    title: str
    rows: tuple[tuple[str, float, int], ...] = field(default=())


@dataclass(frozen=True)
class Calibration:
    """Stated confidence against the share that won; `points` are (stated, won, trades), shares 0…1."""

    title: str
    points: tuple[tuple[float, float, int], ...]
    brier: float | None = None


Subject = EquityCurve | CandleChart | StrategyProfits | Calibration
