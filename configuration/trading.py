"""What is traded."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode

from configuration.kinds import AtCommas


class Trading(BaseModel):
    """What is traded."""

    instruments: Annotated[tuple[str, ...], NoDecode, AtCommas] = Field(
        ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"),
        description="USDT swaps, comma-separated. The market feed follows a change in .env at once, the rest of the "
        "bot at its next start. With candle files: those in the files.",
    )
    decision_bar: Literal["1m", "3m", "5m", "15m", "30m", "1H"] = Field(
        "5m", description="A decision cycle opens at the close of each such bar."
    )
    book_channel: Literal["books", "books5"] = Field(
        "books",
        description="books: every message's sequence and checksum are verified; books5: five levels, less work.",
    )
    market_alert_cooldown_min: int = Field(
        60,
        ge=0,
        le=525_600,
        description="A market alert of one kind and instrument comes at most so often, minutes of market time.",
    )
    candle_keep_days: int | None = Field(
        None, ge=8, le=36_500, description="Candles older than so many days are removed; default: all are kept."
    )
    economic_calendar: str | None = Field(
        None,
        description="CSV or ICS file, or URL, of economic events; default: a list of FOMC, CPI, NFP and GDP dates.",
    )
    margin_mode: Literal["isolated", "cross"] = Field("isolated", description="Margin mode of every position.")
    leverage: int = Field(3, ge=1, le=100, description="Leverage set on the exchange at start and verified.")

    @field_validator("instruments")
    @classmethod
    def _swaps_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [inst for inst in value if not inst.endswith("-USDT-SWAP")]
        if wrong or not value:
            raise ValueError(
                f"must name USDT-margined swaps such as BTC-USDT-SWAP, not {', '.join(wrong) or 'nothing'}"
            )
        if len(set(value)) != len(value):
            raise ValueError("names an instrument twice")
        return value

    @field_validator("economic_calendar")
    @classmethod
    def _calendar_absolute(cls, value: str | None) -> str | None:
        """Services run in a folder of their own: a relative path means the folder the operator stands in."""
        if value is None or value.startswith(("http://", "https://")):
            return value
        return str(Path(value).expanduser().resolve())
