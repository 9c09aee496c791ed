"""The terms of a decision: what of the settings enters a model's request. Stored with it, so that it can be made again.

Settings change; a replay builds the request from the terms of its day.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict

from settings import Settings

# Settings the system prompt names; each fills the place of its name.
LIMITS = (
    "decision_bar", "max_trade_margin_pct", "max_open_positions", "max_total_margin_pct", "max_leverage",
    "max_stop_distance_pct", "min_reward_risk", "max_entries_per_hour", "reentry_cooldown_min", "loss_cooldown_min",
    "max_consecutive_losses", "entry_slippage_bps", "max_limit_distance_bps",
)  # fmt: skip


class Terms(BaseModel):
    """What Opus is asked under. `limits` as text, the way they are written in the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    effort: str
    max_tokens: int
    instruments: tuple[str, ...]
    limits: dict[str, str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The terms of these settings."""
        return cls(
            model=settings.opus_model,
            effort=settings.opus_effort,
            max_tokens=settings.opus_max_tokens,
            instruments=settings.instruments,
            limits={name: str(getattr(settings, name)) for name in LIMITS},
        )
