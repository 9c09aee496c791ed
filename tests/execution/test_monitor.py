"""The account monitor: baseline, peak, and the two halts, each once a breach."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from execution import control, monitor
from models import Alert, Bill

DAY = datetime(2026, 3, 4, tzinfo=UTC)


def seen(bot, equity, at, *, settled=True):
    return monitor.observe(bot.ctx, Decimal(equity), at, settled=settled)


@pytest.fixture
def at_noon(bot):
    """Day and peak of 10000, as observed at midnight."""
    with bot.sessions.begin() as session:
        state = session.merge(bot.state())
        state.day = state.day_baseline = state.equity = state.equity_market_at = state.peak_equity = None
    seen(bot, "10000", DAY)
    return bot


@pytest.mark.parametrize(
    "equity, halt",
    [("10100", None), ("9701", None), ("9700", None), ("9699", "daily_loss")],
)
def test_daily_loss_over_three_per_cent_halts(at_noon, equity, halt):
    assert seen(at_noon, equity, DAY + timedelta(hours=12)) == halt
    assert at_noon.state().halt_kind == halt


def test_a_drawdown_over_ten_per_cent_halts_over_days(at_noon):
    for day, equity in enumerate(("12000", "11700", "11400", "11100", "10801")):
        assert seen(at_noon, equity, DAY + timedelta(days=day, hours=23, minutes=55)) is None, equity
    assert seen(at_noon, "10799", DAY + timedelta(days=5, hours=1)) == "drawdown"


def test_one_breach_halts_once(at_noon):
    assert seen(at_noon, "9600", DAY + timedelta(hours=1)) == "daily_loss"
    assert seen(at_noon, "9500", DAY + timedelta(hours=2)) is None
    with at_noon.sessions() as session:
        assert len(session.scalars(select(Alert).where(Alert.kind == "halted")).all()) == 1


def test_resume_starts_the_breached_baseline_anew(at_noon):
    seen(at_noon, "9600", DAY + timedelta(hours=1))
    control.resume(at_noon.ctx, actor="tester", channel="cli")
    state = at_noon.state()
    assert (state.day_baseline, state.peak_equity, state.halted) == (Decimal(9600), Decimal(10000), False)
    assert seen(at_noon, "9500", DAY + timedelta(hours=2)) is None


def test_pushes_find_a_breach_but_never_raise_the_peak(at_noon):
    seen(at_noon, "11000", DAY + timedelta(hours=1), settled=False)
    assert at_noon.state().peak_equity == Decimal(10000)
    assert seen(at_noon, "9600", DAY + timedelta(hours=2), settled=False) == "daily_loss"


def test_a_withdrawal_is_no_loss(at_noon):
    with at_noon.sessions.begin() as session:
        at_noon_state = session.merge(at_noon.state())
        at_noon_state.transfers_total = Decimal(-5000)
    assert seen(at_noon, "5000", DAY + timedelta(hours=1)) is None
    assert at_noon.state().equity == Decimal(10000)


def test_a_late_report_changes_nothing(at_noon):
    seen(at_noon, "10050", DAY + timedelta(hours=2))
    assert seen(at_noon, "9000", DAY + timedelta(hours=1)) is None
    assert at_noon.state().equity == Decimal(10050)


def test_the_equity_seen_last_before_midnight_is_the_baseline(at_noon):
    seen(at_noon, "10200", DAY + timedelta(hours=23, minutes=58))
    seen(at_noon, "10150", DAY + timedelta(days=1, minutes=3))
    assert at_noon.state().day_baseline == Decimal(10200)


def test_no_day_starts_above_the_peak(at_noon):
    seen(at_noon, "11000", DAY + timedelta(hours=23, minutes=58), settled=False)
    assert at_noon.state().peak_equity == Decimal(10000)
    seen(at_noon, "10900", DAY + timedelta(days=1, minutes=1), settled=False)
    state = at_noon.state()
    assert (state.day_baseline, state.peak_equity) == (Decimal(11000), Decimal(11000))


def test_a_missed_midnight_is_rebuilt_from_bills_while_flat(at_noon):
    with at_noon.sessions.begin() as session:
        for number, (hours, pnl, fee, kind) in enumerate(
            ((30, "40", "-1", "2"), (32, "-10", "-1", "2"), (33, "0", "0", "1"))
        ):
            change = Decimal(pnl) + Decimal(fee)
            session.add(
                Bill(
                    account_id=at_noon.ctx.account_id, bill_id=f"b{number}", type=kind, sub_type="", ccy="USDT",
                    inst_id="", balance_change=change, balance=Decimal(0), pnl=Decimal(pnl), fee=Decimal(fee),
                    ord_id="", market_at=DAY + timedelta(hours=hours),
                )
            )  # fmt: skip
    seen(at_noon, "10028", DAY + timedelta(hours=34))
    assert at_noon.state().day_baseline == Decimal(10000)


def test_a_missed_midnight_with_a_position_leaves_no_baseline(at_noon):
    at_noon.enter("BTC-USDT-SWAP")
    with at_noon.sessions.begin() as session:
        state = session.merge(at_noon.state())
        state.equity_market_at, state.day = DAY, DAY.date()
    seen(at_noon, "10010", DAY + timedelta(hours=34))
    assert at_noon.state().day_baseline is None
    with at_noon.sessions() as session:
        assert session.scalars(select(Alert).where(Alert.kind == "baseline_missing")).one().severity == "WARN"
    control.resume(at_noon.ctx, actor="tester", channel="cli")
    assert at_noon.state().day_baseline == Decimal(10010)
