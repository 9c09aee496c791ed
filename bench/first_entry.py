"""How many five-minute bars the bot waits for its first filled entry with a live stop, on ten synthetic markets.

Lockstep, the rules analyst, every setting at its default but the seed; the count begins with the first bar decided on.
At the default speed of 60 a bar takes five seconds, so 60 bars are five minutes. Lockstep gives a seed the same count
wherever it runs.
"""

import time
from collections.abc import Iterator

import psycopg2

from bench.registry import Measured, figure
from bench.whole_bot import Running, first_decision_s, whole_bot
from runtime.errors import OperatorError

SEEDS = range(1, 11)
SOON_BARS = 60
GIVE_UP_BARS = 576  # two days
GIVE_UP_S = 200.0
POLL_S = 0.5

_FIRST = """
SELECT (EXTRACT(EPOCH FROM MIN(c.slot) - (SELECT MIN(slot) FROM decision_cycles)) / 300)::int + 1
FROM orders o JOIN decision_cycles c ON c.id = o.cycle_id
WHERE o.leg = 'entry' AND o.state = 'filled' AND EXISTS (
    SELECT 1 FROM algo_orders a
    WHERE a.account_id = o.account_id AND a.inst_id = o.inst_id AND a.stop_loss_px IS NOT NULL
      AND a.created_market_at >= c.slot
)
"""
_PLAYED = "SELECT (EXTRACT(EPOCH FROM MAX(slot) - MIN(slot)) / 300)::int + 1 FROM decision_cycles"


@figure("first-entry")
def first_entries() -> Iterator[Measured]:
    """Bars to the first entry for each seed, then how many of the seeds had it within 60."""
    soon = 0
    for seed in SEEDS:
        found = first_entry(seed)
        soon += found.unit == "bars" and found.value <= SOON_BARS
        yield found
    yield Measured(f"first-entry-within-{SOON_BARS}-bars", soon, "seeds", len(SEEDS))


def first_entry(seed: int) -> Measured:
    """Bars to the first entry; with the unit `bars without an entry` where there was none in two days."""
    began = time.monotonic()
    with whole_bot({"PAPER_SPEED": "lockstep", "PAPER_SEED": str(seed)}) as bot:
        first_decision_s(bot, began)
        bars, entered = _wait(bot)
    return Measured(f"first-entry-seed-{seed}", bars, "bars" if entered else "bars without an entry", 1)


def _wait(bot: Running) -> tuple[int, bool]:
    """Bars until the entry, or bars played without one. Raises OperatorError when the market does not move on."""
    until = time.monotonic() + GIVE_UP_S
    connection = psycopg2.connect(bot.exports()["DATABASE_URL"])
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            while time.monotonic() < until:
                if (bars := _number(cursor, _FIRST)) is not None:
                    return bars, True
                if ((played := _number(cursor, _PLAYED)) or 0) >= GIVE_UP_BARS:
                    return played or 0, False
                time.sleep(POLL_S)
    finally:
        connection.close()
    raise OperatorError(f"neither an entry nor {GIVE_UP_BARS} bars within {GIVE_UP_S:.0f} s")


def _number(cursor: "psycopg2.extensions.cursor", query: str) -> int | None:
    cursor.execute(query)
    row = cursor.fetchone()
    return None if row is None or row[0] is None else int(row[0])
