"""What a table of candles must hold, whoever wrote it, and how each writer calls it."""

import re
from dataclasses import dataclass
from pathlib import Path

from trading.candle import BAR_SECONDS

NAMES: dict[str, tuple[str, ...]] = {
    "ts": ("ts", "open_time", "date", "timestamp", "time"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "contracts": ("vol_contracts", "vol"),
    "coins": ("vol_base", "vol_coins", "vol_ccy", "volume"),
    "quote": ("vol_quote",),
    "confirm": ("confirm",),
    "instrument": ("instrument_name", "inst_id"),
}
"""Our column → the names it has: ours, OKX's archive (`open_time`, `vol`, `vol_ccy`), freqtrade (`date`, `volume`)."""

NEEDED = ("ts", "open", "high", "low", "close")
INSTRUMENT = re.compile(r"[A-Z0-9]+-USDT-SWAP")
FREQTRADE = re.compile(r"^([A-Z0-9]+)_USDT_USDT-(\w+)-futures", re.IGNORECASE)


class UnreadableHistory(ValueError):
    """Not a table of candles; `str()` names the file and what is wrong."""


@dataclass(frozen=True)
class Columns:
    """Where each of our columns is in a file: its position."""

    at: dict[str, int]

    @classmethod
    def of(cls, path: Path, header: list[str]) -> "Columns":
        """Recognise a header. Raises UnreadableHistory."""
        # OKX's older archives write two languages into one name: `open_time/开盘时间`.
        names = [name.strip().split("/")[0].lower() for name in header]
        at = {
            column: names.index(found)
            for column, known in NAMES.items()
            if (found := next((name for name in known if name in names), None)) is not None
        }
        missing = [column for column in NEEDED if column not in at]
        if "contracts" not in at and "coins" not in at:
            missing.append("volume")
        if missing:
            raise UnreadableHistory(f"{path}: no column for {', '.join(missing)} among {', '.join(header)[:200]}")
        return cls(at)


def instrument_of(path: Path) -> str | None:
    """The swap a file's name speaks of: OKX's name, or freqtrade's BTC_USDT_USDT-5m-futures."""
    found = INSTRUMENT.search(path.name)
    if found:
        return found.group()
    freqtrade = FREQTRADE.match(path.name)
    return f"{freqtrade.group(1).upper()}-USDT-SWAP" if freqtrade else None


def bar_of(seconds: int) -> str | None:
    """OKX's name of a bar of so many seconds."""
    return next((bar for bar, length in BAR_SECONDS.items() if length == seconds), None)
