"""Limits a person may tighten while the bot runs, and never loosen: the tighter of setting and wish is in force."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

from trading.gate.verdict import Limits

Direction = Literal["lower", "higher"]

TIGHTENS: dict[str, Direction] = {
    "max_open_positions": "lower",
    "max_consecutive_losses": "lower",
    "max_trade_margin_pct": "lower",
    "max_total_margin_pct": "lower",
    "max_leverage": "lower",
    "max_stop_distance_pct": "lower",
    "min_reward_risk": "higher",
    "max_correlation": "lower",
    "max_entries_per_hour": "lower",
    "reentry_cooldown_min": "higher",
    "daily_loss_halt_pct": "lower",
    "drawdown_halt_pct": "lower",
}
"""Setting → the direction that is tighter."""


def is_tighter(key: str, wish: Decimal, in_force: Decimal) -> bool:
    """Whether `wish` is stricter than what is in force. Raises KeyError for a limit that cannot be changed."""
    return wish < in_force if TIGHTENS[key] == "lower" else wish > in_force


def in_force(key: str, setting: Decimal, overrides: Mapping[str, str]) -> Decimal:
    """The tighter of the setting and its override; an override that is no number changes nothing."""
    written = overrides.get(key)
    if written is None:
        return setting
    try:
        wish = Decimal(written)
    except InvalidOperation:
        return setting
    return wish if wish.is_finite() and is_tighter(key, wish, setting) else setting


def tightened(limits: Limits, overrides: Mapping[str, str]) -> Limits:
    """The gate's limits with their overrides."""
    changed = {}
    for key in TIGHTENS:
        if key in overrides and key in Limits.model_fields:
            before = getattr(limits, key)
            changed[key] = type(before)(in_force(key, Decimal(before), overrides))
    return limits.model_copy(update=changed) if changed else limits
