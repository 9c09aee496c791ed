"""Hours of market time on the whole bot, at speed, under a steady rain of faults: what grows, gets stuck, is lost?

Every service runs but Telegram. Trades are asked for beside those the rules decide; the exchange answers late, wrongly
or not at all now and then. No process is killed (the random schedules do that): its memory can be followed from the
first minute to the last. Memory is the resident set of a service's processes, MB; times are wall seconds unless named.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean, linear_regression
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
import redis
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

import celeryconfig
from models import BotState, BreakRow, DecisionCycle, Order, Trade
from soak.disturb import calm, perform
from soak.random_schedules import NOT_YET, resume_if_halted
from soak.schedule import draw
from soak.whole import SPEED, WholeBot

LOOK_EVERY_S = 5.0
DISTURB_EVERY_S = 12.0
DISTURBING = ("trade", "fault")
CONVERGES_WITHIN_S, EMPTY_WITHIN_S = 120.0, 30.0
# What a service may gain between the middle third of the run and the last, MB and share of what it had.
MAY_GAIN_MB, MAY_GAIN = 6.0, 0.06
BAR = timedelta(minutes=5)


@dataclass
class Report:
    """What was seen so far. `memory`: service → (seconds since the start, MB)."""

    began: float = field(default_factory=monotonic)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    deepest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    connections: int = 0
    steps: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    halts: list[str] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as printed."""
        return {
            **self.ended,
            "memory_mb": {name: _growth(samples) for name, samples in sorted(self.memory.items())},
            "deepest_queue": dict(self.deepest),
            "most_database_connections": self.connections,
            "disturbances": dict(self.steps),
            "halted_by_itself": self.halts,
            "restarts": self.restarts,
            "failed": self.failed,
        }


def run(bot: WholeBot, virtual_hours: float, seed: int, report: Report) -> Iterator[None]:
    """Yields once per virtual hour; the report is whole when it ends."""
    seconds = virtual_hours * 3600 / SPEED
    queues = redis.Redis.from_url(bot.plan.broker_url)
    looked, disturbed = 0.0, monotonic()
    hour = 0
    while (now := monotonic()) - report.began < seconds:
        if now - looked >= LOOK_EVERY_S:
            looked = now
            _look(bot, queues, report)
        if now - disturbed >= DISTURB_EVERY_S:
            disturbed = now
            _disturb(bot, seed, report)
            seed += 1
        if now - report.began >= (hour + 1) * 3600 / SPEED:
            hour += 1
            yield
        sleep(0.2)
    _settle(bot, queues, report)
    yield


def _look(bot: WholeBot, queues: redis.Redis, report: Report) -> None:
    at = monotonic() - report.began
    for name, state in bot.supervisor.states().items():
        if state.pid is not None:
            report.memory[name].append((at, _resident(state.pid)))
        report.restarts |= {name: state.restarts} if state.restarts else {}
    for queue in celeryconfig.queue_policies:
        report.deepest[queue] = max(report.deepest[queue], int(queues.llen(f"okxbot:{queue}")))
    with bot.ctx.sessions() as session:
        mine = text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'okxbot-%'")
        report.connections = max(report.connections, int(session.execute(mine).scalar_one()))


def _resident(pid: int) -> float:
    """A service's own memory, its children's included; pages they share are divided among them."""
    total = 0
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return total / 2**20
    return total / 2**20


def _disturb(bot: WholeBot, seed: int, report: Report) -> None:
    for step in draw(seed):
        if step.kind.partition(" ")[0] in DISTURBING:
            perform(bot, step)
            report.steps[step.kind] += 1
    report.halts += resume_if_halted(bot)


def _settle(bot: WholeBot, queues: redis.Redis, report: Report) -> None:
    """Calm; then everything must come to rest: books, queues, cycles."""
    left, deadline = ["nothing was looked at"], monotonic() + CONVERGES_WITHIN_S
    while left and monotonic() < deadline:
        try:
            calm(bot)
            left = bot.judge.differences()
        except (*NOT_YET, DBAPIError, httpx.HTTPError) as trouble:
            left = [f"{type(trouble).__name__}: {trouble}"[:200]]
        sleep(0.5)
    report.failed += left + bot.judge.duplicates()
    report.failed += _stuck(queues)
    _account_for_cycles(bot, report)
    for name, samples in report.memory.items():
        middle, last = _thirds(samples)
        if last - middle > max(MAY_GAIN_MB, MAY_GAIN * middle):
            report.failed.append(f"{name} grew from {middle:.0f} to {last:.0f} MB")


def _stuck(queues: redis.Redis) -> list[str]:
    """Queues that never got empty: beat's ticks fill them, workers empty them."""
    left, deadline = set(celeryconfig.queue_policies), monotonic() + EMPTY_WITHIN_S
    while left and monotonic() < deadline:
        left -= {queue for queue in left if int(queues.llen(f"okxbot:{queue}")) == 0}
        sleep(0.05)
    return [f"{queue} was never empty for {EMPTY_WITHIN_S:.0f} s" for queue in sorted(left)]


def _account_for_cycles(bot: WholeBot, report: Report) -> None:
    """One cycle for every instrument and bar since the first, each ended with an outcome and a reason."""
    with bot.ctx.sessions() as session:
        rows = session.execute(
            select(DecisionCycle.inst_id, DecisionCycle.slot, DecisionCycle.stage, DecisionCycle.outcome)
            .where(DecisionCycle.opened_by != "operator")
            .order_by(DecisionCycle.slot)
        ).all()
        state = session.get_one(BotState, bot.ctx.account_id)
        invariants = session.scalars(
            select(BreakRow).where(BreakRow.source == "invariants", BreakRow.confirmed_at.is_not(None))
        ).all()
        orders = dict(session.execute(select(Order.state, func.count()).group_by(Order.state)).tuples().all())
        trades = session.scalar(select(func.count()).select_from(Trade).where(Trade.closed_market_at.is_not(None)))
        naked = state.naked_seconds_total
    newest = max(row.slot for row in rows)
    slots: dict[str, set[datetime]] = defaultdict(set)
    for row in rows:
        slots[row.inst_id].add(row.slot)
        # The two newest bars may still be in work.
        if row.outcome is None and row.slot < newest - BAR:
            report.failed.append(f"the cycle of {row.inst_id} {row.slot:%H:%M} is at {row.stage}")
    for inst_id, seen in slots.items():
        expected = int((max(seen) - min(seen)) / BAR) + 1
        if expected != len(seen):
            report.failed.append(f"{inst_id}: {len(seen)} cycles for {expected} bars")
    report.failed += [f"invariant {row.name} broken: {row.detail}" for row in invariants if row.resolved_at is None]
    report.ended = {
        "virtual_hours": round((newest - min(row.slot for row in rows)) / timedelta(hours=1), 2),
        "cycles": len(rows),
        "cycles_by_outcome": _counted(rows),
        "orders_by_state": orders,
        "trades_closed": trades,
        "naked_seconds": float(naked or 0),
        "invariants_broken_meanwhile": [f"{row.name}: {row.detail}" for row in invariants],
    }


def _counted(rows: Any) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        found[row.outcome or "open"] += 1
    return dict(found)


def _thirds(samples: list[tuple[float, float]]) -> tuple[float, float]:
    third = max(1, len(samples) // 3)
    return fmean(mb for _, mb in samples[third : 2 * third] or samples), fmean(mb for _, mb in samples[-third:])


def _growth(samples: list[tuple[float, float]]) -> dict[str, float]:
    """First, last, and the slope over the last two thirds in MB per virtual hour."""
    late = samples[len(samples) // 3 :]
    slope = linear_regression([at for at, _ in late], [mb for _, mb in late]).slope if len(late) > 2 else 0.0
    per_hour = slope * 3600 / SPEED
    return {
        "first": round(samples[0][1], 1),
        "last": round(samples[-1][1], 1),
        "mb_per_virtual_hour": round(per_hour, 2),
    }
