"""The whole bot under a random schedule: nothing twice, nothing lost, and it always finds back.

`make soak` runs two hundred; each can be drawn again by its seed.
"""

import pytest

from soak.random_schedules import Report, run
from soak.schedule import draw
from soak.whole import whole_bot

SEEDS = range(20, 21)
pytestmark = [pytest.mark.composition, pytest.mark.timeout(400)]


def test_a_seed_draws_the_same_schedule_again():
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]
    assert draw(1) != draw(2)


def test_nothing_is_sent_twice_or_lost_and_the_books_converge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schedules")
    folder.chmod(0o755)
    with whole_bot(folder / "home") as bot:
        *_, report = run(bot, SEEDS, Report())
    figures = report.as_dict()
    assert figures["failed"] == []
    assert (figures["duplicates"], figures["lost_fills"], figures["unknown_left"]) == (0, 0, 0)
    assert figures["naked_longest_s"] <= 5
    assert figures["fills"] > 0, "no order was filled: nothing was proved"
    assert figures["faults"] > 0
