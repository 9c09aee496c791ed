"""20 closed trades or six hours of market time, whichever first; each window once, however many look and how late."""

from datetime import timedelta

import pytest

from brain.rules.reflection import RulesReflector
from execution import control
from pipeline import learning
from tests.learning.conftest import START
from trading.reflection_window import due_window

H = timedelta(hours=1)


def closes(*hours):
    return [START + hour * H for hour in hours]


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        ([], 100, None),
        ([1], 5.9, None),
        ([1], 6, (6, 1, "6 hours")),
        ([6], 6, (6, 1, "6 hours")),
        # nothing closed in the first six hours: the window goes on to the next six
        ([7], 11, None),
        ([7], 30, (12, 1, "6 hours")),
        ([0.1 * n for n in range(1, 20)], 5, None),
        ([0.1 * n for n in range(1, 26)], 3, (2, 20, "20 closed trades")),
        # whoever looks a day later finds the same window
        ([0.1 * n for n in range(1, 26)], 30, (2, 20, "20 closed trades")),
        ([0.5 * n for n in range(1, 26)], 30, (6, 12, "6 hours")),
        # the twentieth closes exactly when six hours are over
        ([0.3 * n for n in range(1, 21)], 6, (6, 20, "20 closed trades")),
    ],
)
def test_a_window_ends_with_what_comes_first(hours, now, expected):
    found = due_window(START, closes(*hours), START + now * H)
    if expected is None:
        assert found is None
        return
    end, trades, reason = expected
    assert abs(found.end - (START + end * H)) < timedelta(milliseconds=1)
    assert (found.start, found.trades, found.reason) == (START, trades, reason)


def reflect(school):
    return learning.reflect_if_due(school, RulesReflector())


def test_without_a_closed_trade_nothing_is_reflected_on(school):
    school.clock.at += 100 * H
    assert reflect(school) is None
    assert school.deep() == []


def test_windows_follow_each_other_and_none_is_left_out(school):
    school.closes([1.0, -1.0] * 25)  # one each ten minutes: 50 in eight hours
    done = [reflect(school) for _ in range(4)]
    assert done[0] == "deep:first"
    assert [name is None for name in done] == [False, False, True, True]
    rows = school.deep()
    assert [(row.window_end - START) / timedelta(minutes=10) for row in rows] == [20, 40]
    assert rows[1].window_start == rows[0].window_end
    assert [row.statistics["all"]["all"]["trades"] for row in rows] == [20, 40]  # what had closed by then
    school.clock.at += 6 * H
    assert reflect(school) is not None
    assert len(school.deep()) == 3
    school.clock.at += 48 * H
    assert reflect(school) is None


def test_a_window_is_reflected_on_once_by_however_many(school, in_threads):
    school.closes([1.0] * 20)
    answers = in_threads([lambda: reflect(school)] * 4)
    assert sorted(map(str, answers)) == ["None", "None", "None", "deep:first"]
    assert len(school.deep()) == 1


def test_a_worker_that_died_in_a_window_leaves_it_to_the_next(school):
    """Its lease has run out; nothing of it was stored."""
    from sqlalchemy import select, update

    from models import JobRun

    class Dies:
        name = "dies"

        def reflect(self, request):
            raise KeyboardInterrupt

    school.closes([1.0] * 20)
    with pytest.raises(KeyboardInterrupt):
        learning.reflect_if_due(school, Dies())
    with school.sessions.begin() as session:
        session.execute(update(JobRun).values(status="running", finished_at=None))
    assert reflect(school) is None  # somebody may still be at it
    with school.sessions.begin() as session:
        began = session.scalars(select(JobRun.started_at)).one()
        session.execute(update(JobRun).values(started_at=began - 2 * H))
    assert reflect(school) == "deep:first"
    assert len(school.deep()) == 1


def test_a_person_is_answered_at_any_time_once_a_wish_and_shifts_no_window(school):
    window = control.ask_reflection(school.execution(), actor="ada", channel="cli")
    asked = int(window.rpartition(":")[2])
    assert learning.reflect_asked(school, RulesReflector(), asked) == window
    assert learning.reflect_asked(school, RulesReflector(), asked) is None
    (row,) = school.deep()
    assert (row.outcome, row.window_end) == ("no_change", None)
    assert "without history" in row.reason
    school.closes([1.0] * 20)
    assert learning.reflect_asked(school, RulesReflector(), 10**9) is None
    assert reflect(school) == "deep:first"


@pytest.fixture
def in_threads():
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    def run(calls):
        start = Barrier(len(calls))

        def one(call):
            start.wait()
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    return run
