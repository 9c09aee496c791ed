"""Halt and flatten at the worst moment. `make soak` runs 10,000 claims against 2,500 halts and prints the times."""

from soak.flatten_race import flatten_three
from soak.halt_race import CLAIMERS, race


def test_no_entry_claim_commits_after_the_answer_of_halt(stack):
    rounds = 30
    *_, found = race(stack.ctx, stack.environment, rounds, seed=1)
    assert found.late == []
    assert found.tries == rounds * CLAIMERS
    assert min(found.claimed, found.denied) > 0, "it was no race: one side was always first"


def test_flatten_of_three_positions_needs_neither_redis_nor_workers(stack):
    assert len(list(flatten_three(stack, 2))) == 2
