"""Each risk setting reaches the limit of its name."""

from decimal import Decimal

from settings import load_settings
from trading.gate.freshness import CHANNELS
from trading.gate.limits import limits_from
from trading.gate.verdict import Limits


def test_settings_become_limits_under_the_same_names() -> None:
    limits = limits_from(
        load_settings({"MAX_OPEN_POSITIONS": "2", "MAX_LEVERAGE": "1.5", "FRESH_BOOK_S": "7"}, dotenv=False)
    )
    assert (limits.max_open_positions, limits.max_leverage, limits.fresh_s["book"]) == (2, Decimal("1.5"), 7)


def test_the_default_limits_are_the_designs() -> None:
    settings = load_settings({}, dotenv=False)
    limits = limits_from(settings)
    for name in Limits.model_fields.keys() - {"fresh_s"}:
        assert getattr(limits, name) == getattr(settings, name)
    assert limits.fresh_s == {channel: getattr(settings, f"fresh_{channel}_s") for channel in CHANNELS}
    assert (limits.max_trade_margin_pct, limits.max_total_margin_pct) == (5, 15)
    assert (limits.max_stop_distance_pct, limits.min_reward_risk) == (3, Decimal("1.5"))
