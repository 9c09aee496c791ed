"""What protection does next, as a table; and what holds whatever the history is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.orders import OPEN_STATES, OrderState
from trading.protective import Attempt, Situation, Step, due, failures, next_step, wait_before

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def tried(state, created_s, ended_s=None):
    return Attempt(OrderState(state), ago(created_s), None if ended_s is None else ago(ended_s))


def situation(*, covered=False, overdue=False, known=True, stops=(), closes=()):
    return Situation(covered, overdue, known, tuple(stops), tuple(closes))


@pytest.mark.parametrize(
    ("given_", "step"),
    [
        (situation(), "stop"),
        (situation(covered=True), "stop"),
        (situation(known=False), "wait"),
        (situation(known=False, overdue=True), "close"),
        (situation(known=False, overdue=True, covered=True), "wait"),
        (situation(stops=[tried("unknown", 3)]), "wait"),
        (situation(stops=[tried("unknown", 9)], overdue=True), "close"),
        (situation(stops=[tried("unknown", 9)], covered=True), "wait"),
        (situation(stops=[tried("rejected", 1, 0)]), "close"),
        (situation(stops=[tried("rejected", 1, 0)], covered=True), "wait"),
        (situation(stops=[tried("rejected", 4, 3)], covered=True), "stop"),
        (situation(stops=[tried("absent", 4, 1)]), "wait"),
        (situation(stops=[tried("absent", 4, 3)]), "stop"),
        (situation(stops=[tried("absent", 9, 1)], overdue=True), "close"),
        (situation(stops=[tried("canceled", 3, 1)]), "stop"),  # by hand: made good at once
        (situation(stops=[tried("canceled", 5, 4), tried("canceled", 3, 1)]), "wait"),
        (situation(stops=[tried("canceled", 500, 1)] * 5), "stop"),  # each held for long
        (situation(closes=[tried("intended", 1)], overdue=True), "wait"),
        (situation(closes=[tried("unknown", 20)], overdue=True), "wait"),
        (situation(closes=[tried("rejected", 2, 1)], stops=[tried("rejected", 3, 3)], overdue=True), "wait"),
        (situation(closes=[tried("rejected", 4, 3)], stops=[tried("rejected", 5, 5)], overdue=True), "close"),
    ],
)
def test_next_step(given_, step):
    assert next_step(given_, NOW) == step


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (60, 30)])
def test_waits_double_up_to_half_a_minute(count, seconds):
    assert wait_before(count) == timedelta(seconds=seconds)


attempts = st.lists(
    st.tuples(st.sampled_from(list(OrderState)), st.integers(0, 300), st.integers(0, 300)), max_size=8
).map(
    lambda rows: tuple(
        Attempt(s, ago(max(a, b)), None if s in OPEN_STATES else ago(min(a, b)))
        for s, a, b in sorted(rows, key=lambda row: -max(row[1], row[2]))
    )
)
situations = st.builds(Situation, st.booleans(), st.booleans(), st.booleans(), attempts, attempts)


@given(situations)
def test_never_two_of_a_kind_in_flight(found):
    step = next_step(found, NOW)
    kind = {Step.STOP: found.stops, Step.CLOSE: found.closes}.get(step, ())
    assert not any(attempt.state in OPEN_STATES for attempt in kind)


@given(situations)
def test_what_is_covered_is_never_closed(found):
    if found.covered:
        assert next_step(found, NOW) != Step.CLOSE


@given(situations)
def test_an_uncovered_position_past_its_grace_is_never_given_up(found):
    """Whatever was tried: unless something is in flight, half a minute later there is a next attempt."""
    if found.covered or not found.overdue:
        return
    flying = [a for a in found.closes if a.state in OPEN_STATES]
    later = NOW + timedelta(seconds=31)
    assert flying or next_step(found, later) != Step.WAIT


@given(attempts)
def test_attempts_become_rarer_never_endless(found):
    assert 0 <= failures(found) <= len(found)
    if not any(a.state in OPEN_STATES for a in found):
        assert due(found, NOW + timedelta(seconds=31))
