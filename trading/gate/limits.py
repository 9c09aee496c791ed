"""The hard limits, taken from the settings. The one place where a setting's name meets a limit's name."""

from decimal import Decimal
from typing import Protocol

from trading.gate.verdict import Limits


class RiskSettings(Protocol):
    """The risk part of the settings: percentages in per cent, times in the unit of the name."""

    @property
    def max_open_positions(self) -> int: ...
    @property
    def max_consecutive_losses(self) -> int: ...
    @property
    def max_trade_margin_pct(self) -> Decimal: ...
    @property
    def max_total_margin_pct(self) -> Decimal: ...
    @property
    def max_leverage(self) -> Decimal: ...
    @property
    def max_stop_distance_pct(self) -> Decimal: ...
    @property
    def min_reward_risk(self) -> Decimal: ...
    @property
    def max_correlation(self) -> Decimal: ...
    @property
    def max_entries_per_hour(self) -> int: ...
    @property
    def reentry_cooldown_min(self) -> int: ...
    @property
    def decision_max_age_s(self) -> float: ...
    @property
    def max_price_drift_bps(self) -> Decimal: ...
    @property
    def fresh_ticker_s(self) -> float: ...
    @property
    def fresh_candle_s(self) -> float: ...
    @property
    def fresh_book_s(self) -> float: ...
    @property
    def fresh_funding_s(self) -> float: ...
    @property
    def fresh_open_interest_s(self) -> float: ...
    @property
    def fresh_account_s(self) -> float: ...


def limits_from(settings: RiskSettings) -> Limits:
    """The limits `settings` sets."""
    return Limits(
        max_open_positions=settings.max_open_positions,
        max_consecutive_losses=settings.max_consecutive_losses,
        max_trade_margin_pct=settings.max_trade_margin_pct,
        max_total_margin_pct=settings.max_total_margin_pct,
        max_leverage=settings.max_leverage,
        max_stop_distance_pct=settings.max_stop_distance_pct,
        min_reward_risk=settings.min_reward_risk,
        max_correlation=settings.max_correlation,
        max_entries_per_hour=settings.max_entries_per_hour,
        reentry_cooldown_min=settings.reentry_cooldown_min,
        decision_max_age_s=settings.decision_max_age_s,
        max_price_drift_bps=settings.max_price_drift_bps,
        fresh_s={
            "ticker": settings.fresh_ticker_s,
            "candle": settings.fresh_candle_s,
            "book": settings.fresh_book_s,
            "funding": settings.fresh_funding_s,
            "open_interest": settings.fresh_open_interest_s,
            "account": settings.fresh_account_s,
        },
    )
