"""Each limit of the gate is the setting of its name."""

from decimal import Decimal

from pipeline.limits import limits_of
from settings import load_settings
from trading.gate.freshness import CHANNELS
from trading.gate.verdict import Limits


def test_settings_become_limits_under_the_same_names() -> None:
    limits = limits_of(
        load_settings({"MAX_OPEN_POSITIONS": "2", "MAX_LEVERAGE": "1.5", "FRESH_BOOK_S": "7"}, dotenv=False)
    )
    assert (limits.max_open_positions, limits.max_leverage, limits.fresh_book_s) == (2, Decimal("1.5"), 7)


def test_every_limit_is_a_setting_and_every_channel_has_a_limit() -> None:
    settings = load_settings({}, dotenv=False)
    limits = limits_of(settings)
    for name in Limits.model_fields:
        assert getattr(limits, name) == getattr(settings, name)
    assert {f"fresh_{channel}_s" for channel in CHANNELS} == {n for n in Limits.model_fields if n.startswith("fresh_")}


def test_the_default_limits() -> None:
    limits = limits_of(load_settings({}, dotenv=False))
    assert (limits.max_trade_margin_pct, limits.max_total_margin_pct) == (5, 15)
    assert (limits.max_stop_distance_pct, limits.min_reward_risk) == (3, Decimal("1.5"))
    assert (limits.daily_loss_halt_pct, limits.drawdown_halt_pct) == (3, 10)
