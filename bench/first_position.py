"""Seconds from `okxbot up` to the first decision and to the first position with a live stop, at the default speed.

Ten synthetic markets (`PAPER_SEED` 1 to 10), the rules analyst, every setting at its default but the seed. The judge is
`okxbot status --json`, asked twice a second: what the owner would see. A seed without a position after ten minutes is
quoted with the unit `s without a position`. `first-entry` counts the same in bars, in lockstep.
"""

import time
from collections.abc import Iterator

from bench.registry import Measured, figure
from bench.whole_bot import Running, whole_bot
from runtime.errors import OperatorError

SEEDS = range(1, 11)
FIVE_MINUTES_S = 300.0
GIVE_UP_S = 600.0
POLL_S = 0.5


@figure("first-position", on_request=True)
def first_positions() -> Iterator[Measured]:
    """For each seed both times, then how many of the seeds held a position with a live stop within five minutes."""
    soon = 0
    for seed in SEEDS:
        began = time.monotonic()
        with whole_bot({"PAPER_SPEED": "60", "PAPER_SEED": str(seed)}) as bot:
            decided, covered = _wait(bot, began)
        soon += covered is not None and covered <= FIVE_MINUTES_S
        if decided is not None:
            yield Measured(f"first-decision-seed-{seed}", round(decided, 1), "s", 1)
        unit = "s" if covered is not None else "s without a position"
        yield Measured(f"first-position-seed-{seed}", round(covered or GIVE_UP_S, 1), unit, 1)
    yield Measured("first-position-within-5-minutes", soon, "seeds", len(SEEDS))


def _wait(bot: Running, began: float) -> tuple[float | None, float | None]:
    """Seconds to the first decision and to the first position with a stop, None for what did not come."""
    decided: float | None = None
    while (passed := time.monotonic() - began) < GIVE_UP_S:
        try:
            status = bot.status()
        except OperatorError:  # not up yet
            status = {"last_cycles": [], "positions": []}
        if decided is None and any(cycle["outcome"] for cycle in status["last_cycles"]):
            decided = passed
        if any(position["stop"] is not None for position in status["positions"]):
            return decided, passed
        time.sleep(POLL_S)
    return decided, None
