"""While market data is stale, no entry reaches the exchange: the whole bot, asked for entries all the time.

Episode by episode the exchange's faults silence channels of the market feed, and its reads with them, so that nothing
can mend what is missing. Entries are decided throughout, and go the bot's own way from the gate on: queue, worker,
gate, claim, request. The judge is the exchange's ledger: between the moment the data was older than its limit and the
end of the faults, no request that may open anything. That entries were refused for that reason alone, and were let
through before and after, shows that there was something to refuse. Times are wall seconds.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count
from time import monotonic, sleep
from typing import Any

import orjson
from sqlalchemy import select

from brain.rules_analyst import RulesAnalyst
from exchange.market_series import SeriesCache
from exchange.redis_client import build_redis
from execution.errors import DuplicateIntent, Refused
from models import DecisionCycle, RiskVerdict
from pipeline.context import PipelineContext
from pipeline.limits import limits_of
from pipeline.market_view import MarketUnavailable, full_snapshot, live_market
from soak import desk
from soak.random_schedules import resume_if_halted
from soak.whole import WholeBot
from trading.clock import slot_close, wall_ms, wall_now
from trading.decision import Action, Decision, Regime
from trading.snapshot import MarketSnapshot

READS_OF_QUOTES = ("/market/ticker", "/market/books", "/public/mark-price", "/public/funding", "/public/open-interest")
READS_OF_CANDLES = ("/market/candles", "/market/history-candles")
# What is silenced (pushes lost, whoever subscribes), which reads fail, and after how many seconds it is stale.
EPISODES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "every quote": (("/public/",), READS_OF_QUOTES, "ticker"),
    "tickers": (("/public/tickers",), ("/market/ticker",), "ticker"),
    "books": (("/public/books",), ("/market/books",), "book"),
    "candles": (("/business/candle",), READS_OF_CANDLES, "candle"),
}
STALE_FOR_S, UNDER_WAY_S, FRESH_WITHIN_S, DECIDED_WITHIN_S = 20.0, 3.0, 60.0, 20.0
EVERY_S = 1.0
STOP, TARGET = Decimal("0.98"), Decimal("1.06")
OPENING = "/api/v5/trade/order"


@dataclass
class Stale:
    """What was decided and what came of it, by episode."""

    fresh_entries: int = 0
    refused_as_stale_alone: dict[str, int] = field(default_factory=dict)
    refused_otherwise: dict[str, int] = field(default_factory=dict)
    stale_s: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


class _Proposer:
    """Decides entries, and hands them to the bot at its gate."""

    def __init__(self, bot: WholeBot) -> None:
        self._bot, self._numbers = bot, count(1)
        ctx, exchange = bot.ctx, bot.ctx.exchange
        listed = ctx.settings.instruments
        self.instruments = listed
        self._pipeline = PipelineContext(
            execution=ctx, settings=ctx.settings, cache=SeriesCache(build_redis(bot.plan.redis_url)),
            analyst=RulesAnalyst(), screener=None, researcher=None, limits=limits_of(ctx.settings),
            instruments=exchange.instruments(listed),
            taker_fee_rates={inst_id: exchange.fee_rate(inst_id).taker for inst_id in listed}, leverages={},
        )  # fmt: skip
        self._seen: dict[str, MarketSnapshot] = {}

    def look(self) -> None:
        """What entries rest on from now on. Raises MarketUnavailable until every candle is there."""
        slot = slot_close(self._bot.ctx.clock.market_now() - timedelta(minutes=1), 300)
        self._seen = {inst_id: full_snapshot(self._pipeline, inst_id, slot) for inst_id in self.instruments}

    def propose(self, inst_id: str) -> int:
        """A cycle that has come as far as the gate, with prices as the bot knows them now; its id."""
        ctx, seen = self._bot.ctx, self._seen[inst_id]
        now = live_market(self._pipeline, inst_id, seen.slot)
        market = seen.model_copy(
            update={name: getattr(now, name) for name in ("last", "bid", "ask", "mark", "taken_at", "market_at")}
            | {"regime": Regime.RANGING}
        )
        if market.last is None:
            raise MarketUnavailable(f"no price in {inst_id}")
        decision = Decision(
            action=Action.OPEN_LONG, inst_id=inst_id, size_pct=Decimal(1), stop_loss=market.last * STOP,
            take_profit=market.last * TARGET, confidence=Decimal("0.8"), strategy="momentum", regime=Regime.RANGING,
            reasoning="a soak entry",
        )  # fmt: skip
        cycle = DecisionCycle(
            account_id=ctx.account_id, inst_id=inst_id, opened_by="operator", stage="gate", analyst="rules",
            slot=now.market_at + timedelta(microseconds=next(self._numbers)), playbook_version=1,
            deadline=wall_now() + timedelta(seconds=desk.DEADLINE_S), decided_at=wall_now(),
            snapshot={"market": market.model_dump(mode="json")}, decision=decision.model_dump(mode="json"),
        )  # fmt: skip
        with ctx.sessions.begin() as session:
            session.add(cycle)
        self._bot.publish("cycle.run", "cycle", [cycle.id])
        return cycle.id

    def word(self, cycle_id: int) -> RiskVerdict | str | None:
        """The gate's verdict, or why it came to none; None so far."""
        with self._bot.ctx.sessions() as session:
            verdict = session.scalar(select(RiskVerdict).where(RiskVerdict.cycle_id == cycle_id))
            if verdict is not None:
                return verdict
            cycle = session.get_one(DecisionCycle, cycle_id)
            return cycle.reason or "no reason" if cycle.stage == "done" else None

    def words(self, cycles: list[int]) -> list[RiskVerdict | str]:
        """Of each of these, waited for."""
        given_up, found = monotonic() + DECIDED_WITHIN_S, []
        for cycle_id in cycles:
            while (word := self.word(cycle_id)) is None and monotonic() < given_up:
                sleep(0.1)
            found.append(word if word is not None else "the gate never answered")
        return found


def run(bot: WholeBot, rounds: int, report: Stale, episodes: Collection[str] = tuple(EPISODES)) -> Iterator[None]:
    """Yields after each episode."""
    proposer = _Proposer(bot)
    for _ in range(rounds):
        for name in episodes:
            channels, reads, slowest = EPISODES[name]
            _let_one_through(bot, proposer, report, f"before {name}")
            _flat(bot)
            _silence(bot, proposer, report, name, channels, reads, slowest)
            yield
    _let_one_through(bot, proposer, report, "at the end")
    _flat(bot)


def _let_one_through(bot: WholeBot, proposer: _Proposer, report: Stale, when: str) -> None:
    """With fresh data the same entries pass."""
    given_up, last = monotonic() + FRESH_WITHIN_S, "nothing was decided"
    while monotonic() < given_up:
        resume_if_halted(bot)
        try:
            proposer.look()
            words = proposer.words([proposer.propose(inst_id) for inst_id in proposer.instruments])
        except MarketUnavailable as missing:
            last = str(missing)
        else:
            passed = [word for word in words if isinstance(word, RiskVerdict) and word.approved]
            report.fresh_entries += len(passed)
            if passed:
                return
            last = "; ".join(word if isinstance(word, str) else word.reason for word in words)
        sleep(EVERY_S)
    report.failed.append(f"{when}: no entry passed with fresh data within {FRESH_WITHIN_S:.0f} s: {last}"[:300])


def _flat(bot: WholeBot) -> None:
    """So that the next entry is not refused for the positions of the last."""
    given_up = monotonic() + FRESH_WITHIN_S
    while monotonic() < given_up and (held := bot.ctx.exchange.positions()):
        for position in held:
            try:
                desk.intend_exit(bot.ctx, position.inst_id)
            except (DuplicateIntent, Refused):
                pass  # it is being closed
        sleep(EVERY_S)


def _silence(
    bot: WholeBot, proposer: _Proposer, report: Stale, name: str, channels: tuple[str, ...], reads: tuple[str, ...],
    slowest: str,
) -> None:  # fmt: skip
    limit = float(getattr(bot.ctx.settings, f"fresh_{slowest}_s"))
    for channel in channels:
        bot.fault(name="push_lost", path=channel, count=0)
    for path in reads:
        bot.fault(name="50026", path=path, count=0)
    sleep(limit)
    # An entry that passed with the last fresh word may still be under way to the exchange.
    since_us, until = wall_ms() * 1000 + int(UNDER_WAY_S * 1e6), monotonic() + STALE_FOR_S + UNDER_WAY_S
    cycles = []
    while monotonic() < until:
        cycles += [proposer.propose(inst_id) for inst_id in proposer.instruments]
        sleep(EVERY_S)
    words = proposer.words(cycles)
    till_us = wall_ms() * 1000
    bot.clear_faults()
    alone = [word for word in words if isinstance(word, RiskVerdict) and word.refused_by == ["freshness"]]
    report.stale_s[name] = report.stale_s.get(name, 0) + round((till_us - since_us) / 1e6, 1)
    report.refused_as_stale_alone[name] = report.refused_as_stale_alone.get(name, 0) + len(alone)
    report.refused_otherwise[name] = report.refused_otherwise.get(name, 0) + len(words) - len(alone)
    opened = _openings(bot, since_us, till_us)
    report.failed += [f"{name}: {entry} reached the exchange on stale data" for entry in opened]
    if not alone:
        said = {word if isinstance(word, str) else word.reason for word in words}
        report.failed.append(f"{name}: no entry was refused for staleness alone: {'; '.join(sorted(said))}"[:400])


def _openings(bot: WholeBot, since_us: int, till_us: int) -> list[str]:
    """Requests that may open or enlarge a position, by the exchange's ledger."""
    entries = bot.ask("/paper/ledger", kind="request", limit=20000)["entries"]
    return [
        f"{entry['clOrdIds']}"
        for entry in entries
        if entry["path"] == OPENING and since_us <= entry["wall_us"] <= till_us and not _reduces(entry)
    ]


def _reduces(entry: dict[str, Any]) -> bool:
    return str(orjson.loads(entry["body"]).get("reduceOnly", "")).lower() == "true"
