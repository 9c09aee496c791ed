"""What has happened, counted by reading on from where we were: order events and ended cycles.

At the start everything there is is counted once, so that the counters go on over a restart of this service. Rows are
read when they are five seconds old: a transaction that began earlier may commit an earlier id later.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from metrics.families import Family, counters
from models import DecisionCycle, Order, OrderEvent

SETTLED = timedelta(seconds=5)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class OrderOutcomes:
    """`okxbot_order_outcomes_total{leg, state}`: how often an order of that leg came into that state."""

    def __init__(self) -> None:
        self._last = 0
        self._counted: Counter[tuple[str, ...]] = Counter()

    def read(self, session: Session, now: datetime) -> Iterable[Family]:
        """Count on, and say the sums."""
        upto = session.scalar(select(func.max(OrderEvent.id)).where(OrderEvent.at <= now - SETTLED,
                                                                    OrderEvent.id > self._last))  # fmt: skip
        if upto is not None:
            rows = session.execute(
                select(Order.leg, OrderEvent.to_state, func.count())
                .join(Order, Order.id == OrderEvent.order_id)
                .where(OrderEvent.id > self._last, OrderEvent.id <= upto)
                .group_by(Order.leg, OrderEvent.to_state)
            )
            for leg, state, count in rows:
                self._counted[leg, state] += count
            self._last = upto
        yield from counters("okxbot_order_outcomes", "Orders that came into a state.", ("leg", "state"), self._counted)


class CycleTimes:
    """Stage latency and cycle outcomes of the cycles that ended since this service began.

    `okxbot_stage_seconds{stage}` from the start of a stage to the commit of its result, `okxbot_cycle_seconds` from a
    cycle's opening to its end, `okxbot_cycles_total{outcome}`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram("okxbot_stage_seconds", "A stage, start to commit.", ["stage"], buckets=_SECONDS,
                                 registry=self.registry)  # fmt: skip
        self._cycles = Histogram("okxbot_cycle_seconds", "A cycle, opening to end.", buckets=_SECONDS,
                                 registry=self.registry)  # fmt: skip
        self._outcomes: Counter[tuple[str, ...]] = Counter()
        self._floor: int | None = None
        self._seen: set[int] = set()

    def read(self, session: Session) -> Iterable[Family]:
        """Observe what has ended since the last look."""
        floor = self._next_floor(session)
        first = self._floor is None
        ended = session.execute(
            select(DecisionCycle.id, DecisionCycle.outcome, DecisionCycle.created_at, DecisionCycle.finished_at,
                   DecisionCycle.stage_log)
            .where(DecisionCycle.id > (floor if self._floor is None else self._floor), DecisionCycle.stage == "done")
        )  # fmt: skip
        for cycle_id, outcome, created_at, finished_at, log in ended:
            if cycle_id not in self._seen and not first:
                self._observe(outcome, created_at, finished_at, log)
            self._seen.add(cycle_id)
        self._floor = max(floor, self._floor or 0)
        self._seen = {each for each in self._seen if each > self._floor}
        yield from counters("okxbot_cycles", "Cycles ended, by outcome.", ("outcome",), self._outcomes)
        yield from self.registry.collect()  # type: ignore[misc]

    def _observe(self, outcome: str, created_at: datetime, finished_at: datetime | None, log: list[Any]) -> None:
        self._outcomes[(outcome,)] += 1
        if finished_at is not None:
            self._cycles.observe(max(0.0, (finished_at - created_at).total_seconds()))
        for entry in log:
            took = datetime.fromisoformat(entry["ended"]) - datetime.fromisoformat(entry["started"])
            self._stages.labels(entry["stage"]).observe(max(0.0, took.total_seconds()))

    def _next_floor(self, session: Session) -> int:
        """Below it everything has ended; a little lower than that, for ids commit out of order."""
        oldest_open = session.scalar(select(func.min(DecisionCycle.id)).where(DecisionCycle.stage != "done"))
        newest = session.scalar(select(func.max(DecisionCycle.id))) or 0
        return max(0, min(newest, (oldest_open or newest + 1) - 1) - 20)
