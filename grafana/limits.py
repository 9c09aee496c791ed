"""The limits drawn into panels, from the settings: their defaults for the committed JSON, the owner's on request."""

from dataclasses import dataclass
from typing import Any

from settings import Settings, load_settings


@dataclass(frozen=True)
class Limits:
    """Percent as 0..100, US dollars, counts, seconds of wall time."""

    daily_loss_pct: float
    drawdown_pct: float
    total_margin_pct: float
    open_positions: float
    consecutive_losses: float
    llm_budget_usd: float
    opus_budget_s: float
    naked_grace_s: float


_FIELDS = {
    "daily_loss_pct": "daily_loss_halt_pct",
    "drawdown_pct": "drawdown_halt_pct",
    "total_margin_pct": "max_total_margin_pct",
    "open_positions": "max_open_positions",
    "consecutive_losses": "max_consecutive_losses",
    "llm_budget_usd": "llm_daily_budget_usd",
    "opus_budget_s": "opus_budget_s",
    "naked_grace_s": "naked_grace_s",
}


def default_limits() -> Limits:
    """The limits of somebody who has set none."""
    return Limits(**{ours: float(Settings.model_fields[theirs].default) for ours, theirs in _FIELDS.items()})


def owners_limits() -> Limits:
    """The limits the bot of this folder runs with. Raises SettingsError."""
    given: Any = load_settings()
    return Limits(**{ours: float(getattr(given, theirs)) for ours, theirs in _FIELDS.items()})
