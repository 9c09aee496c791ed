"""Limits tightened by hand: the tighter of setting and wish is in force, whatever was written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settings import PaperSettings
from trading.gate.verdict import Limits
from trading.tightening import TIGHTENS, in_force, is_tighter, tightened

SETTINGS = PaperSettings()
LIMITS = Limits(**{name: getattr(SETTINGS, name) for name in Limits.model_fields})


@given(st.sampled_from(sorted(TIGHTENS)), st.one_of(st.decimals(), st.text(), st.integers()).map(str))
def test_no_override_ever_loosens(key, written):
    setting = Decimal(getattr(SETTINGS, key))
    assert not is_tighter(key, setting, in_force(key, setting, {key: written}))
    limits = tightened(LIMITS, {key: written})
    if key in Limits.model_fields:
        assert not is_tighter(key, setting, Decimal(getattr(limits, key)))
        assert type(getattr(limits, key)) is type(getattr(LIMITS, key))


def test_a_tighter_wish_is_in_force_and_touches_nothing_else():
    limits = tightened(LIMITS, {"max_open_positions": "1", "min_reward_risk": "2.5", "nonsense": "1"})
    assert (limits.max_open_positions, limits.min_reward_risk) == (1, Decimal("2.5"))
    assert limits == LIMITS.model_copy(update={"max_open_positions": 1, "min_reward_risk": Decimal("2.5")})


def test_a_limit_that_cannot_be_tightened_is_no_key():
    with pytest.raises(KeyError):
        is_tighter("telegram_bot_token", Decimal(1), Decimal(2))
