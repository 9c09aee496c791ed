"""A limit tightened by hand is stored, audited, in force at the next look of gate and monitor, and never looser."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from execution import control, monitor
from execution.errors import Refused
from execution.tightening import limits_in_force
from models import AuditEntry, LimitOverride


def tighten(bot, key, value):
    return control.tighten_limit(bot.ctx, key, value, actor="me", channel="cli")


def test_it_is_in_force_and_on_record(bot):
    assert tighten(bot, "max_leverage", "2") == (3, 2)
    with bot.sessions() as session:
        assert limits_in_force(session, bot.ctx.account_id, bot.settings)["max_leverage"] == 2
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "limit_tightened")).one()
    assert (entry.actor, entry.detail) == ("me", {"key": "max_leverage", "before": "3", "after": "2"})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max_leverage", "3", "is not stricter"), ("max_leverage", "4", "is not stricter"),
        ("min_reward_risk", "1.4", "is not stricter"), ("min_reward_risk", "21", "must be 20 at most"),
        ("max_leverage", "0.5", "greater than or equal to 1"), ("max_leverage", "NaN", "max_leverage: "),
        ("max_leverage", "two", "must be a number such as"), ("max_open_positions", "1.5", "max_open_positions: "),
        ("max_trade_margin_pct", "-1", "must be a number"), ("max_trade_margin_pct", "0", "greater than 0"),
        ("max_trade_margin_pct", "1e-999999", "must be a number"), ("max_trade_margin_pct", "٢", "must be a number"),
        ("opus_model", "x", "cannot be changed from here"), ("okx_rest_url", "http://x", "cannot be changed"),
    ],
)  # fmt: skip
def test_what_is_not_stricter_or_makes_no_sense_is_refused(bot, key, value, said):
    with pytest.raises(Refused, match=r".*") as refused:
        tighten(bot, key, value)
    assert said in str(refused.value)
    with bot.sessions() as session:
        assert session.scalars(select(LimitOverride)).all() == []


def test_a_second_tightening_is_measured_by_the_first_and_clearing_brings_the_setting_back(bot):
    tighten(bot, "max_entries_per_hour", "1")
    with pytest.raises(Refused, match="is 1; 2 is not stricter"):
        tighten(bot, "max_entries_per_hour", "2")
    assert control.clear_limit(bot.ctx, "max_entries_per_hour", actor="me", channel="cli") == "1"
    with bot.sessions() as session:
        in_force = limits_in_force(session, bot.ctx.account_id, bot.settings)
    assert in_force["max_entries_per_hour"] == bot.settings.max_entries_per_hour
    with pytest.raises(Refused, match="was not tightened by hand"):
        control.clear_limit(bot.ctx, "max_entries_per_hour", actor="me", channel="cli")


def test_a_tightened_daily_loss_halts_at_the_monitors_next_look(bot):
    state = bot.state()
    equity = state.equity + state.transfers_total
    at = bot.ctx.clock.market_now()
    assert monitor.observe(bot.ctx, equity * Decimal("0.98"), at, settled=True) is None
    tighten(bot, "daily_loss_halt_pct", "1.5")
    assert monitor.observe(bot.ctx, equity * Decimal("0.98"), at, settled=True) == "daily_loss"
    assert "is over 1.5 %" in bot.state().halt_reason
