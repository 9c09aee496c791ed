"""Which alerts go now, together or alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telegram_ui.alerts.policy import CRITICAL_COOLDOWN, STORM, Pending, is_quiet, plan

NOW = datetime(2026, 1, 5, 14, 7, tzinfo=UTC)
COOLDOWN = timedelta(seconds=300)


def alert(id_, severity="INFO", kind="trade_opened", inst_id=None, again=False):
    return Pending(id_, kind, severity, inst_id, NOW, again)


def planned(pending, told=None, *, quiet=False):
    return [
        (batch.digest, [a.id for a in batch.alerts])
        for batch in plan(pending, told or {}, NOW, quiet=quiet, cooldown=COOLDOWN)
    ]


def test_news_goes_as_it_comes():
    assert planned([alert(1), alert(2)]) == [(False, [1]), (False, [2])]


def test_warnings_of_one_kind_go_as_one_message():
    given_ = [alert(1, "WARN", "risk_rejected"), alert(2, "WARN", "losses"), alert(3, "WARN", "risk_rejected")]
    assert planned(given_) == [(False, [1, 3]), (False, [2])]


def test_a_warning_waits_for_the_cooldown_of_its_kind():
    told = {("risk_rejected", ""): NOW - COOLDOWN + timedelta(seconds=1)}
    waiting = [alert(1, "WARN", "risk_rejected"), alert(2, "WARN", "losses")]
    assert planned(waiting, told) == [(False, [2])]
    assert planned(waiting, {("risk_rejected", ""): NOW - COOLDOWN}) == [(False, [1]), (False, [2])]


def test_the_most_severe_goes_first():
    assert planned([alert(1), alert(2, "CRITICAL", "halted")]) == [(False, [2]), (False, [1])]


def test_quiet_hours_let_only_the_critical_through():
    waiting = [alert(1), alert(2, "WARN", "losses"), alert(3, "CRITICAL", "halted")]
    assert planned(waiting, quiet=True) == [(False, [3])]


def test_a_repeated_critical_of_one_instrument_waits_a_minute_and_that_of_another_does_not():
    told = {("position_uncovered", "BTC"): NOW - CRITICAL_COOLDOWN / 2}
    waiting = [alert(n, "CRITICAL", "position_uncovered", inst) for n, inst in ((1, "BTC"), (2, "ETH"), (3, "BTC"))]
    assert planned(waiting, told) == [(False, [2])]
    assert planned(waiting) == [(False, [1, 3]), (False, [2])]


def test_a_storm_is_one_message_and_the_critical_are_told_apart():
    news = [alert(n) for n in range(1, 10)]
    critical = [alert(20, "CRITICAL", "halted")]
    assert planned(news + critical) == [(False, [20]), (True, list(range(1, 10)))]


@given(
    st.lists(
        st.builds(
            alert, st.integers(1, 10_000), st.sampled_from(["INFO", "WARN", "CRITICAL"]), st.sampled_from("abc"),
            st.sampled_from([None, "BTC", "ETH"]),
        ),
        unique_by=lambda a: a.id,
    )
)  # fmt: skip
def test_outside_quiet_hours_and_cooldowns_everything_goes_once_in_few_messages(pending):
    batches = plan(pending, {}, NOW, quiet=False, cooldown=COOLDOWN)
    assert sorted(a.id for batch in batches for a in batch.alerts) == sorted(a.id for a in pending)
    assert len(batches) <= 2 * STORM


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("22:00-07:00", "23:30", True), ("22:00-07:00", "06:59", True), ("22:00-07:00", "07:00", False),
        ("22:00-07:00", "12:00", False), ("12:00-14:00", "13:00", True), ("12:00-14:00", "14:00", False),
        ("12:00-12:00", "12:00", False), (None, "03:00", False),
    ],
)  # fmt: skip
def test_quiet_hours_are_the_owners(hours, at, quiet):
    berlin = ZoneInfo("Europe/Berlin")
    hour, minute = map(int, at.split(":"))
    assert is_quiet(hours, datetime(2026, 1, 5, hour, minute, tzinfo=berlin).astimezone(UTC), berlin) is quiet
