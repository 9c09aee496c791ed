"""Random schedules on one running bot: disturb, wait until it has converged, judge, next. Times are wall seconds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from time import monotonic, sleep
from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from exchange.errors import ReadFailed
from execution import control
from execution.errors import Refused
from models import BotState, Fill, Order
from soak.disturb import calm, perform
from soak.judge import BILLS
from soak.naked import NakedWatch
from soak.schedule import draw
from soak.whole import WholeBot
from trading.clock import ClockUnavailable

CONVERGES_WITHIN_S = 90.0
SLOWEST = 5  # schedules told in full, with what they waited for
NOT_YET = (ReadFailed, DBAPIError, ClockUnavailable, httpx.HTTPError, KeyError)


@dataclass
class Outcome:
    """One schedule. `waited_for` is what differed before it converged, and from when to when after the calm; `halts`
    are those the bot ordered itself; `left` what still differed when its time was up: empty, or the proof has failed.
    """

    seed: int
    steps: list[str]
    converged_s: float
    naked_longest_s: float
    naked_total_s: float
    waited_for: list[str]
    halts: list[str]
    duplicates: list[str]
    left: list[str]

    @property
    def good(self) -> bool:
        return not self.duplicates and not self.left


@dataclass
class Report:
    """Sums over the schedules run so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    trades: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    _orders_before: Counter[str] = field(default_factory=Counter)
    _fills_before: int = 0

    def begin_bot(self) -> None:
        """What is counted from now on is another bot's."""
        self._orders_before, self._fills_before = Counter(self.orders), self.fills

    def count(self, orders: dict[str, int], fills: int) -> None:
        """Orders by state, and fills, of the present bot."""
        self.orders, self.fills = self._orders_before + Counter(orders), self._fills_before + fills

    def as_dict(self) -> dict[str, Any]:
        """The figures, as printed; failed schedules whole, with the seed that draws them again."""
        times = sorted(each.converged_s for each in self.outcomes)
        cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
        return {
            "schedules": len(self.outcomes),
            "seeds": [self.outcomes[0].seed, self.outcomes[-1].seed],
            "orders": sum(self.orders.values()),
            "orders_by_state": dict(self.orders),
            "fills": self.fills,
            "faults": sum(self.faults.values()),
            "faults_by_kind": dict(self.faults.most_common()),
            "trades_asked": dict(self.trades),
            "duplicates": sum(len(each.duplicates) for each in self.outcomes),
            "lost_fills": sum("is lost" in what for each in self.outcomes for what in each.left),
            "unknown_left": sum("is unknown" in what for each in self.outcomes for what in each.left),
            "halted_by_itself": [f"seed {each.seed}: {what}" for each in self.outcomes for what in each.halts],
            "naked_longest_s": round(max(each.naked_longest_s for each in self.outcomes), 2),
            "naked_total_s": round(sum(each.naked_total_s for each in self.outcomes), 2),
            "converge_p50_s": round(cuts[49], 2),
            "converge_p99_s": round(cuts[98], 2),
            "converge_max_s": round(times[-1], 2),
            "slowest": [asdict(each) for each in sorted(self.outcomes, key=lambda o: -o.converged_s)[:SLOWEST]],
            "failed": [asdict(each) for each in self.outcomes if not each.good],
        }


def run(bot: WholeBot, seeds: range, report: Report) -> Iterator[Report]:
    """Yields the same growing report after each schedule; it may hold those of an earlier bot."""
    report.begin_bot()
    _converge(bot, [])
    for seed in seeds:
        report.outcomes.append(_one(bot, seed, report))
        _count(bot, report)
        yield report


def _one(bot: WholeBot, seed: int, report: Report) -> Outcome:
    bot.keep_redis()
    done, began = [], monotonic()
    with NakedWatch(bot) as naked:
        for step in draw(seed):
            sleep(max(0.0, step.at_s - (monotonic() - began)))
            what = perform(bot, step)
            done.append(f"{step}: {what}")
            (report.trades if step.kind == "trade" else report.faults)[
                what.partition(":")[0] if step.kind == "trade" else step.kind
            ] += 1
        _end(bot)
        calmed = monotonic()
        waited_for: list[str] = []
        left = _converge(bot, waited_for)
        took = monotonic() - calmed
        halts = resume_if_halted(bot)
    duplicates = bot.judge.duplicates()
    return Outcome(seed, done, took, naked.longest_s, naked.total_s, waited_for, halts, duplicates, left)


def _end(bot: WholeBot) -> None:
    """Calm, as soon as the exchange can be reached."""
    deadline = monotonic() + CONVERGES_WITHIN_S
    while True:
        try:
            calm(bot)
            return
        except httpx.HTTPError:
            if monotonic() > deadline:
                raise
            sleep(0.1)


def _converge(bot: WholeBot, waited_for: list[str]) -> list[str]:
    """Wait until the books equal the exchange and the bot is not halted; what differs, when it never comes.

    `waited_for` is given each difference that is seen, once it has gone, in words with the time.
    """
    began, seen = monotonic(), dict[str, float]()
    left = ["nothing was looked at"]
    while (now := monotonic()) - began < CONVERGES_WITHIN_S:
        for gone in seen.keys() - set(left):
            waited_for.append(f"{seen.pop(gone):.1f}–{now - began:.1f} s: {gone}")
        for each in left:
            seen.setdefault(each, now - began)
        try:
            if left and all(BILLS in each for each in left):
                # Bills come with the minute's reconciliation, whoever trades meanwhile: it is asked for now.
                bot.publish("account.reconcile", "account", ["soak"])
            left = bot.judge.differences()
            if not left:
                waited_for += [f"{since:.1f}–{monotonic() - began:.1f} s: {what}" for what, since in seen.items()]
                return []
        except NOT_YET as trouble:
            left = [f"{type(trouble).__name__}: {trouble}"[:300]]
        sleep(0.25)
    return left


def resume_if_halted(bot: WholeBot) -> list[str]:
    """The next schedule wants to trade; returns a halt that the bot, not the schedule, had ordered."""
    with bot.ctx.sessions() as session:
        state = session.get_one(BotState, bot.ctx.account_id)
    if not state.halted:
        return []
    try:
        control.resume(bot.ctx, actor="soak", channel="soak")
    except Refused as refusal:
        return [f"{state.halt_kind}: {state.halt_reason}; {refusal}"]
    return [f"{state.halt_kind}: {state.halt_reason}"] if state.halt_kind not in ("manual", "flatten") else []


def _count(bot: WholeBot, report: Report) -> None:
    with bot.ctx.sessions() as session:
        orders = dict(session.execute(select(Order.state, func.count()).group_by(Order.state)).all())
        report.count(orders, session.scalar(select(func.count()).select_from(Fill)) or 0)
