"""What protection does next about one position: a pure decision over what is known of its stops and closes.

Policy: attempt n (counted from 0 since the last one that held) waits min(2^n, 30) s, the first none; never two attempts
of one kind in flight; a refused stop of an uncovered position becomes a close; an uncovered position is never given up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trading.orders import OPEN_STATES, OrderState

LONGEST_WAIT = timedelta(seconds=30)
SHORT_LIVED = timedelta(seconds=30)  # a stop cancelled sooner than this counts as one that did not hold
_FAILED = (OrderState.REJECTED, OrderState.ABSENT, OrderState.EXPIRED, OrderState.DENIED)


class Step(StrEnum):
    """The next step for one position."""

    WAIT = "wait"
    STOP = "stop"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One intent of a kind. Wall times; `ended_at` is None while it may still have an effect."""

    state: OrderState
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Situation:
    """One position that is not covered by its position-level stop alone."""

    covered: bool  # some live stop covers all of it
    overdue: bool  # uncovered for longer than the grace
    stop_known: bool  # there is a price to place a stop at
    stops: tuple[Attempt, ...]  # oldest first
    closes: tuple[Attempt, ...]


def wait_before(failures: int) -> timedelta:
    """How long after `failures` attempts in a row the next one waits."""
    return timedelta(0) if failures == 0 else min(timedelta(seconds=2 ** min(failures, 16)), LONGEST_WAIT)


def in_flight(attempts: tuple[Attempt, ...]) -> bool:
    """Whether one may still have an effect."""
    return any(attempt.state in OPEN_STATES for attempt in attempts)


def failures(attempts: tuple[Attempt, ...]) -> int:
    """Attempts in a row, counted back from the latest, that did not hold.

    One that was accepted and soon ended (cancelled by hand) is made good at once; only repeated, it counts.
    """
    refused = ended = 0
    for attempt in reversed(attempts):
        if attempt.state in _FAILED:
            refused += 1
        elif attempt.ended_at is not None and attempt.ended_at - attempt.created_at < SHORT_LIVED:
            ended += 1
        else:
            break
    return refused + max(0, ended - 1)


def due(attempts: tuple[Attempt, ...], now: datetime) -> bool:
    """Whether the next attempt of this kind may be made at `now` (wall)."""
    if in_flight(attempts):
        return False
    if not attempts:
        return True
    last = attempts[-1]
    return now - (last.ended_at or last.created_at) >= wait_before(failures(attempts))


def next_step(situation: Situation, now: datetime) -> Step:
    """What to do now (wall)."""
    stops, closes = situation.stops, situation.closes
    if in_flight(closes):
        return Step.WAIT  # it is being closed
    close = Step.CLOSE if due(closes, now) else Step.WAIT
    if not situation.stop_known:
        # Its plan may still arrive; an attached stop keeps covering it.
        return close if situation.overdue and not situation.covered else Step.WAIT
    if in_flight(stops):
        # Its outcome is being looked for. What is uncovered does not wait for that longer than the grace.
        return close if situation.overdue and not situation.covered else Step.WAIT
    refused = bool(stops) and stops[-1].state == OrderState.REJECTED
    if refused and not situation.covered:
        return close
    if due(stops, now):
        return Step.STOP
    return close if situation.overdue and not situation.covered else Step.WAIT
