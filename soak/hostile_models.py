"""The whole bot among models gone wrong: what of their answers reaches the exchange, and does a worker die of one?

A stand-in takes Anthropic's place. Four answers in five of Opus and Haiku are made hostile (`standins.hostile`), every
seventh question meets a fault of its menu instead. Judged by our tables and the exchange's ledger:

- every entry the exchange accepted is an order of ours, of a cycle whose decision the gate approved, in the contracts
  and with the stop it approved, and within the hard limits (the ledger is compared order by order);
- every process that ran when the first hostile answer was given runs when the last one was;
- every cycle has ended, none as `failed`.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
from sqlalchemy import select

from models import DecisionCycle, LlmCall, Order, RiskVerdict
from soak.settling import settled
from soak.whole import WholeBot, whole_bot
from standins import minds
from standins.anthropic_api import MENU, AnthropicStandin
from standins.hostile import hostile
from standins.server import Fault
from trading.gate.verdict import Limits
from trading.orders import ENTRY_LEGS

SPEED = 150
HOSTILE, FAULTY = 0.8, 1 / 7
# A silent model is a proof of its own (`soak.silent_opus`): here it would only take up the time.
FAULTS = [fault for name, fault in MENU.items() if name not in ("hang", "drip")]
GIVE_UP_S = 3600.0


@dataclass
class HostileModels:
    """What happened."""

    answers: int = 0  # of Opus about a decision, hostile or faulty
    others: int = 0  # of Haiku and reflections
    calls: dict[str, int] = field(default_factory=dict)
    cycles: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    failed: list[str] = field(default_factory=list)


def hostile_models(folder: Path, answers: int, seed: int) -> Iterator[HostileModels]:
    """Yields for every so many answers; the last has it all."""
    found, dice, calm = HostileModels(), random.Random(seed), False

    def count(body: dict[str, Any]) -> None:
        if "stop_loss" in body["output_config"]["format"]["schema"]["properties"]:
            found.answers += 1
        else:
            found.others += 1

    def strike(body: dict[str, Any]) -> Fault | None:
        if calm or dice.random() > FAULTY:
            return None
        count(body)
        return dice.choice(FAULTS)

    def say(body: dict[str, Any]) -> dict[str, Any] | str:
        answer = minds.answer(body)
        if calm or dice.random() > HOSTILE:
            return answer
        count(body)
        return hostile(dice, answer)

    with AnthropicStandin(say=say) as api:
        api.strike = strike
        settings = {
            "ANALYST": "claude", "ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url,
            "PAPER_SPEED": str(SPEED), "LLM_DAILY_BUDGET_USD": "100000",
        }  # fmt: skip
        with whole_bot(folder / "home", everything=True, **settings) as bot:
            alive, shown, until = _processes(bot), 0, monotonic() + GIVE_UP_S
            while found.answers < answers and monotonic() < until:
                sleep(0.5)
                yield from (found for _ in range(min(found.answers, answers) - shown))
                shown = min(found.answers, answers)
            calm = True
            _judge(bot, found, alive)
            if found.answers < answers:
                found.failed.append(f"{found.answers} of {answers} answers were asked for within {GIVE_UP_S:.0f} s")
    yield found


def _processes(bot: WholeBot) -> dict[int, str]:
    """Every process of every service, and whose it is; those that come and go by themselves are not among them."""
    found: dict[int, str] = {}
    for name, state in bot.supervisor.states().items():
        if state.pid is not None:
            found |= {state.pid: name}
            if name not in ("postgres", "redis"):
                found |= {child.pid: name for child in psutil.Process(state.pid).children(recursive=True)}
    return found


def _judge(bot: WholeBot, found: HostileModels, alive: dict[int, str]) -> None:
    found.failed += settled(bot)
    found.failed += [f"a process of {name} died" for pid, name in alive.items() if not psutil.pid_exists(pid)]
    found.failed += [f"{name} restarted" for name, state in bot.supervisor.states().items() if state.restarts]
    with bot.ctx.sessions() as session:
        found.calls = dict(Counter(f"{c.purpose} {c.outcome}" for c in session.scalars(select(LlmCall))))
        cycles = session.scalars(select(DecisionCycle)).all()
        found.cycles = dict(Counter(cycle.outcome or "open" for cycle in cycles))
        found.failed += [f"cycle {c.id} failed: {c.reason}" for c in cycles if c.outcome == "failed"]
        verdicts = {v.cycle_id: v for v in session.scalars(select(RiskVerdict).where(RiskVerdict.approved))}
        for order in session.scalars(select(Order).where(Order.leg.in_(ENTRY_LEGS))):
            found.entries += 1
            found.failed += _outside(order, verdicts.get(order.cycle_id or 0))
    if not found.entries:
        found.failed.append("no entry came through, so nothing was judged")


def _outside(order: Order, verdict: RiskVerdict | None) -> list[str]:
    """Why this entry should not have been sent; empty if it should."""
    if verdict is None:
        return [f"{order.cl_ord_id} was sent without an approval"]
    wrong = []
    if order.sz_contracts != verdict.contracts:
        wrong.append(f"{order.sz_contracts} contracts, {verdict.contracts} approved")
    if order.stop_loss_px is None:
        wrong.append("no stop")
    limits = Limits.model_validate(verdict.given["limits"])
    equity = Decimal(verdict.given["account"]["equity"])
    most = equity * limits.max_trade_margin_pct / 100
    if verdict.margin is None or verdict.margin > most:
        wrong.append(f"margin {verdict.margin}, at most {most}")
    if verdict.leverage is None or verdict.leverage > limits.max_leverage:
        wrong.append(f"leverage {verdict.leverage}, at most {limits.max_leverage}")
    return [f"{order.cl_ord_id}: {what}" for what in wrong]
