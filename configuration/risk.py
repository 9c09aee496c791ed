"""Limits of the risk gate and of the account monitor."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from configuration.kinds import Percent, Seconds


class Risk(BaseModel):
    """Limits of the risk gate and of the account monitor."""

    # The gate.
    max_open_positions: int = Field(3, ge=1, le=1000, description="Open positions, open entry intents included.")
    max_consecutive_losses: int = Field(3, ge=1, le=1000, description="Losses in a row before the cooldown.")
    loss_cooldown_min: int = Field(
        30, ge=0, le=525_600, description="Cooldown after the losses, minutes of market time."
    )
    max_trade_margin_pct: Percent = Field(Decimal(5), description="Margin of one trade, % of equity; cut to it.")
    max_total_margin_pct: Percent = Field(Decimal(15), description="All margin, open intents included, % of equity.")
    max_leverage: Annotated[Decimal, Field(ge=1, le=125)] = Field(
        Decimal(3), description="Highest leverage; cut to it."
    )
    max_stop_distance_pct: Percent = Field(Decimal(3), description="Stop distance from the live price, %.")
    min_reward_risk: Annotated[Decimal, Field(gt=0, le=100)] = Field(
        Decimal("1.5"), description="Least reward : risk, net of fees."
    )
    max_correlation: Annotated[Decimal, Field(gt=0, le=1)] = Field(
        Decimal("0.8"), description="Correlation of returns with an open position of the same direction; above: cut."
    )
    max_entries_per_hour: int = Field(3, ge=1, le=3600, description="Entries per hour of market time, account-wide.")
    reentry_cooldown_min: int = Field(
        15, ge=0, le=525_600, description="Minutes of market time since the last exit here."
    )
    decision_max_age_s: Seconds = Field(60, description="A decision older than this is not executed.")
    max_price_drift_bps: Annotated[Decimal, Field(gt=0, le=1000)] = Field(
        Decimal(30), description="Price move since the snapshot beyond which an entry is not executed, basis points."
    )
    max_limit_distance_bps: Annotated[Decimal, Field(gt=0, le=1000)] = Field(
        Decimal(100), description="A limit entry's price may lie so far on the good side of the quote, basis points."
    )
    protection_seen_s: Seconds = Field(
        30, description="No entry unless the stops of all positions were checked within so many seconds."
    )
    fresh_ticker_s: Seconds = Field(10, description="Oldest ticker an entry may rest on.")
    fresh_candle_s: Seconds = Field(30, description="Oldest candle push an entry may rest on.")
    fresh_book_s: Seconds = Field(10, description="Oldest book an entry may rest on.")
    fresh_funding_s: Seconds = Field(180, description="Oldest funding rate an entry may rest on.")
    fresh_open_interest_s: Seconds = Field(60, description="Oldest open interest an entry may rest on.")
    fresh_account_s: Seconds = Field(15, description="Oldest account state an entry may rest on.")

    # The account monitor.
    daily_loss_halt_pct: Percent = Field(Decimal(3), description="Loss since 00:00 UTC that halts, %.")
    drawdown_halt_pct: Percent = Field(Decimal(10), description="Fall from the equity peak that halts, %.")
    halt_clears_on_restart: bool | None = Field(
        None, description="Automatic risk halts clear on an orderly restart; default: paper and demo yes, live no."
    )
