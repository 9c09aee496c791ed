"""The whole bot while Opus says nothing about one instrument: is that HOLD in time, and is nobody else kept waiting?

A stand-in takes Anthropic's place; it answers at once about two instruments, and lets every question about the third
hang. For some bars nothing hangs, then as many do. By our own tables, wall seconds: from the moment a cycle is opened
to its end. Meanwhile protection's heartbeat is watched, and at the end the books must equal the exchange's ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any

from sqlalchemy import select

from models import BotState, DecisionCycle
from runtime.errors import OperatorError
from soak.settling import settled
from soak.whole import WholeBot, whole_bot
from standins import minds
from standins.anthropic_api import HANG, AnthropicStandin
from standins.server import Fault
from trading.clock import wall_now

# A 5m bar every thirty seconds: about as long as Opus may take.
SPEED = 10
BAR_S = 300 / SPEED
SILENT = "BTC-USDT-SWAP"
HOLD_WITHIN_S = 31.0
FIRST_WITHIN_S = 300.0
# What the others may lose by it, of their median; and how long protection may be away.
DELAY_S, PROTECTION_S = 0.5, 10.0


@dataclass
class SilentOpus:
    """What was seen, seconds."""

    held: list[float] = field(default_factory=list)
    others_before: list[float] = field(default_factory=list)
    others_meanwhile: list[float] = field(default_factory=list)
    protection_away: float = 0.0
    failed: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as printed."""
        return {
            "held_cycles": len(self.held),
            "hold_after_s": {"p50": _middle(self.held), "max": _longest(self.held)},
            "others_s": {
                "before": {"cycles": len(self.others_before), "p50": _middle(self.others_before),
                           "max": _longest(self.others_before)},
                "meanwhile": {"cycles": len(self.others_meanwhile), "p50": _middle(self.others_meanwhile),
                              "max": _longest(self.others_meanwhile)},
            },
            "protection_away_longest_s": round(self.protection_away, 1),
            "failed": self.failed,
        }  # fmt: skip


def silent_opus(folder: Path, bars: int) -> Iterator[SilentOpus]:
    """Yields after every bar; the last has it all."""
    found, silent = SilentOpus(), False

    def strike(body: dict[str, Any]) -> Fault | None:
        decides = "stop_loss" in body["output_config"]["format"]["schema"]["properties"]
        return HANG if silent and decides and f"Decide about {SILENT} now" in minds.said_to(body) else None

    def say(body: dict[str, Any]) -> dict[str, Any]:
        """Haiku lets everything pass, so that Opus is asked about every candle."""
        answer = minds.answer(body)
        return answer | {"signal": True} if "signal" in answer else answer

    with AnthropicStandin(say=say) as api:
        api.strike = strike
        settings = {
            "ANALYST": "claude", "ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url,
            "PAPER_SPEED": str(SPEED), "LLM_DAILY_BUDGET_USD": "10000",
        }  # fmt: skip
        with whole_bot(folder / "home", everything=True, **settings) as bot:
            _until_one_has_ended(bot)
            began = wall_now()
            for _ in range(bars):
                _watch(bot, BAR_S, found)
                yield found
            silent, fell_silent = True, wall_now()
            for _ in range(bars):
                _watch(bot, BAR_S, found)
                yield found
            counted_until = wall_now()  # the last questions are given the time to be given up
            _watch(bot, BAR_S + HOLD_WITHIN_S, found)
            _judge(bot, found, began, fell_silent, counted_until)
            found.failed += settled(bot)
    yield found


def _until_one_has_ended(bot: WholeBot) -> None:
    """Raises OperatorError when none does."""
    deadline = monotonic() + FIRST_WITHIN_S
    while not _cycles(bot, None):
        if monotonic() > deadline:
            raise OperatorError(f"no cycle ended within {FIRST_WITHIN_S:.0f} s of the start")
        sleep(1)


def _watch(bot: WholeBot, seconds: float, found: SilentOpus) -> None:
    """For so long, how old protection's last word gets."""
    until = monotonic() + seconds
    while monotonic() < until:
        with bot.ctx.sessions() as session:
            seen = session.get_one(BotState, bot.ctx.account_id).protection_seen_at
        if seen is not None:
            found.protection_away = max(found.protection_away, (wall_now() - seen).total_seconds())
        sleep(0.5)


def _cycles(bot: WholeBot, since: datetime | None) -> list[DecisionCycle]:
    """Those that have ended."""
    query = select(DecisionCycle).where(DecisionCycle.finished_at.is_not(None)).order_by(DecisionCycle.created_at)
    with bot.ctx.sessions() as session:
        return list(session.scalars(query if since is None else query.where(DecisionCycle.created_at >= since)))


def _judge(bot: WholeBot, found: SilentOpus, began: datetime, fell_silent: datetime, counted_until: datetime) -> None:
    for cycle in _cycles(bot, began):
        assert cycle.finished_at is not None, "only those were asked for"
        took = (cycle.finished_at - cycle.created_at).total_seconds()
        meanwhile = fell_silent <= cycle.created_at < counted_until
        if cycle.inst_id != SILENT:
            (found.others_meanwhile if meanwhile else found.others_before).append(took)
        elif meanwhile:
            found.held.append(took)
            if cycle.outcome != "hold" or not (cycle.reason or "").startswith("opus timeout"):
                found.failed.append(f"cycle {cycle.id} ended as {cycle.outcome}: {cycle.reason}")
            if took > HOLD_WITHIN_S:
                found.failed.append(f"cycle {cycle.id} took {took:.1f} s")
    if not (found.held and found.others_before and found.others_meanwhile):
        found.failed.append("there were not enough cycles to compare")
        return
    lost = median(found.others_meanwhile) - median(found.others_before)
    if lost > DELAY_S:
        found.failed.append(f"the other instruments' cycles took {lost:.1f} s longer")
    if found.protection_away > PROTECTION_S:
        found.failed.append(f"protection was away for {found.protection_away:.1f} s")


def _middle(samples: list[float]) -> float | None:
    return round(median(samples), 2) if samples else None


def _longest(samples: list[float]) -> float | None:
    return round(max(samples), 2) if samples else None
