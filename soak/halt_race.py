"""`halt` against entry claims on real PostgreSQL: once it has answered, no claim commits.

Each round some processes claim an intent each while this one halts, all at nearly the same moment. A claim that
committed before the halt is `submitting` when the halt looks, and stands in its answer; one that committed after it
would be `submitting` and not stand there. So the two sets must be equal, without trusting any clock. Nothing is sent.
"""

import logging
import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep

import structlog
from sqlalchemy import select, update

from exchange.client import OkxExchange
from exchange.clock import build_clock
from execution import control, submit
from execution.binding import read_binding
from execution.context import ExecutionContext
from execution.identifiers import cl_ord_id
from models import BotState, Order
from models.session import build_engine, build_sessions
from settings import load_settings
from trading.clock import wall_now
from trading.orders import Leg, OrderState

CLAIMERS = 4
WARNING_S = 0.012  # how long before the moment the claimers are told of it
SPREADS_S = (0.003, 0.012, 0.05)  # within one of which each strikes: the wider, the more often a halt falls between

_claimer: ExecutionContext


@dataclass
class HaltRace:
    """`late` are claims that committed after a halt had answered: none, ever. Times in milliseconds."""

    rounds: int = 0
    claimed: int = 0
    denied: int = 0
    contested: int = 0  # rounds in which some claims were first and some were not
    late: list[str] = field(default_factory=list)
    halt_ms: list[float] = field(default_factory=list)

    @property
    def tries(self) -> int:
        return self.claimed + self.denied


def race(ctx: ExecutionContext, environment: dict[str, str], rounds: int, seed: int) -> Iterator[HaltRace]:
    """Run the rounds; yields the same growing result after each. The account must be reconciled and flat."""
    dice, found = random.Random(seed), HaltRace()
    with _claimers(environment) as pool:
        for number in range(rounds):
            _one_round(ctx, pool, dice, number, found)
            yield found


def _one_round(
    ctx: ExecutionContext, pool: ProcessPoolExecutor, dice: random.Random, number: int, found: HaltRace
) -> None:
    ids = _intend(ctx, number)
    spread, moment = dice.choice(SPREADS_S), monotonic() + WARNING_S
    claims = [pool.submit(_claim_at, order_id, moment + dice.uniform(0, spread)) for order_id in ids]
    _wake_at(moment + dice.uniform(0, spread))
    began = monotonic()
    answer = control.halt(ctx, reason="a race", actor="soak", channel="soak")
    found.halt_ms.append((monotonic() - began) * 1000)
    for claim in claims:
        claim.result(60)
    with ctx.sessions() as session:
        rows = session.execute(select(Order.cl_ord_id, Order.state).where(Order.id.in_(ids))).all()
    claimed = {cl for cl, state in rows if state == OrderState.SUBMITTING}
    denied = [cl for cl, state in rows if state == OrderState.DENIED]
    if len(claimed) + len(denied) != len(ids):
        raise RuntimeError(f"round {number}: neither claimed nor denied: {rows}")
    found.late += sorted(claimed.symmetric_difference(answer.in_flight))
    found.rounds += 1
    found.claimed += len(claimed)
    found.denied += len(denied)
    found.contested += bool(claimed and denied)
    _reset(ctx, ids)


def _intend(ctx: ExecutionContext, number: int) -> list[int]:
    """An intent per claimer, each in an instrument of its own: one open entry an instrument is allowed."""
    orders = [
        Order(
            account_id=ctx.account_id, leg=Leg.ENTRY, kind="order", inst_id=f"RACE{k}-USDT-SWAP", side="buy",
            cl_ord_id=cl_ord_id(ctx.order_prefix, f"r{number}k{k}", Leg.ENTRY), ord_type="fok", td_mode="isolated",
            sz_contracts=1, px=1, reduce_only=False, state=OrderState.INTENDED, reason="a race",
        )
        for k in range(CLAIMERS)
    ]  # fmt: skip
    with ctx.sessions.begin() as session:
        state = session.get_one(BotState, ctx.account_id)
        state.reconciled_at = wall_now()
        session.add_all(orders)
    return [order.id for order in orders]


def _reset(ctx: ExecutionContext, ids: list[int]) -> None:
    """These orders exist for the race alone: nothing was sent, so no evidence will ever come."""
    with ctx.sessions.begin() as session:
        session.execute(
            update(Order)
            .where(Order.id.in_(ids), Order.state == OrderState.SUBMITTING)
            .values(state=OrderState.REJECTED)
        )
    control.resume(ctx, actor="soak", channel="soak")


@contextmanager
def _claimers(environment: dict[str, str]) -> Iterator[ProcessPoolExecutor]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CLAIMERS, spawn, _connect, (environment,)) as pool:
        for ready in [pool.submit(_ready) for _ in range(CLAIMERS)]:
            ready.result(60)
        yield pool


def _connect(environment: dict[str, str]) -> None:
    global _claimer
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = load_settings(environment, dotenv=False)
    assert settings.database_url is not None
    sessions = build_sessions(build_engine(settings.database_url.get_secret_value(), "trade"))
    binding = read_binding(sessions)
    _claimer = ExecutionContext(
        sessions=sessions, exchange=OkxExchange.from_settings(settings), clock=build_clock(settings),
        settings=settings, account_id=binding.account_id, order_prefix=binding.order_prefix,
        send=lambda task, queue, args: False,
    )  # fmt: skip


def _ready() -> bool:
    with _claimer.sessions() as session:
        return session.scalar(select(BotState.account_id)) is not None


def _claim_at(order_id: int, moment: float) -> None:
    _wake_at(moment)
    submit._claim(_claimer, order_id, None)


def _wake_at(moment: float) -> None:
    """Asleep, not spinning: five processes that spin on two cores would keep each other from being on time."""
    sleep(max(0.0, moment - monotonic()))
