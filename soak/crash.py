"""The crash matrix: a worker killed at each point of sending an order, under each misfortune, and what is left of it.

A cell places one order through the real worker, which dies (or stands still) at the point; then what the rest of the
bot would do goes on until the books equal the exchange. Judged by the exchange's ledger. Times are wall seconds.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from time import monotonic, sleep
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from exchange.errors import ReadFailed
from execution import coverage
from execution.context import ExecutionContext
from execution.entries import HIDDEN_FOR
from execution.failpoints import KILL, KILL_WORKER, POINTS, STOP
from execution.reconcile import reconcile
from execution.submit import submit
from models import AlgoOrder, Order
from soak import desk
from soak.lean import BTC, LeanStack
from trading.orders import ENTRY_LEGS, Leg, OrderState

MISFORTUNES = ("none", "duplicate_delivery", "redis_rolled_back", "postgres_crashed", "reply_lost")
LEGS = (Leg.ENTRY, Leg.STOP, Leg.CLOSE)
PATHS = {Leg.ENTRY: "/trade/order$", Leg.STOP: "/trade/order-algo$", Leg.CLOSE: "/trade/close-position$"}
ENTRY_TRIES = 3
FIRES_WITHIN_S = 60.0
CONVERGES_WITHIN_S = 60.0
REPLY_HELD_S = 0.9  # longer than it takes to be sure that the request is on the wire


@dataclass(frozen=True)
class Cell:
    """One crash: which order, where, how, and what goes wrong besides."""

    leg: Leg
    point: str
    misfortune: str
    action: str = KILL

    def __str__(self) -> str:
        return f"{self.leg}-{self.point}-{self.misfortune}-{self.action}"

    @property
    def queue(self) -> str:
        return "trade" if self.leg in ENTRY_LEGS else "protect"


@dataclass(frozen=True)
class Result:
    """`state` the order ended in; `left` what did not agree with the exchange at the end (nothing, one hopes)."""

    cell: Cell
    state: str
    accepted: int
    converged_s: float
    left: list[str]


def matrix() -> Iterator[Cell]:
    """Every point × misfortune × leg with the child killed; without misfortune also the whole worker, and a stop."""
    for leg in LEGS:
        for point in POINTS:
            for misfortune in MISFORTUNES:
                yield Cell(leg, point, misfortune)
            yield Cell(leg, point, "none", KILL_WORKER)
            # It goes on as if nothing had been, while PostgreSQL was restarted under it.
            yield Cell(leg, point, "postgres_crashed", STOP)


def representative() -> Iterator[Cell]:
    """Every point with each leg, and every misfortune two or three times among them, for a run of half a minute."""
    plights = [(misfortune, KILL) for misfortune in MISFORTUNES] + [("none", KILL_WORKER), ("postgres_crashed", STOP)]
    for row, leg in enumerate(LEGS):
        for column, point in enumerate(POINTS):
            yield Cell(leg, point, *plights[(column + 2 * row) % len(plights)])


def run_cell(stack: LeanStack, cell: Cell) -> Result:
    """Crash there and converge. Raises TimeoutError when the point is never reached."""
    worker = stack.worker(cell.queue)
    expected = _prepare(stack, cell)
    publish = _publisher(stack, cell, expected)
    if cell.misfortune == "redis_rolled_back":
        worker.signal_group(signal.SIGSTOP)
        publish()
        stack.redis.remember()
        worker.signal_group(signal.SIGCONT)
    else:
        publish()
    if cell.misfortune == "duplicate_delivery":
        publish()
        publish()
    _wait_for_strike(stack, cell)
    if cell.misfortune == "redis_rolled_back":
        stack.redis.roll_back()
    if cell.misfortune == "postgres_crashed":
        stack.crash_postgres()
    if cell.action == STOP:
        worker.signal_group(signal.SIGCONT)
    began = monotonic()
    left = converge(stack, publish)
    return _result(stack, cell, monotonic() - began, left)


def _prepare(stack: LeanStack, cell: Cell) -> int | None:
    """What the order is about; returns the intent's id, None for a stop, which `protect` intends itself."""
    for file in stack.failpoints.iterdir():
        file.unlink()
    silent = replace(stack.ctx, send=_nowhere)
    _let_time_pass(stack)
    if cell.leg is not Leg.ENTRY:
        _enter(stack, silent)
    if cell.leg is Leg.STOP:
        # Before our books show the position: a look the cell before asked for may be the first to see it.
        _arm(stack, cell)
        reconcile(stack.ctx, "soak")
        return None
    if cell.leg is Leg.ENTRY:
        _arm(stack, cell)
        return desk.intend_entry(silent, BTC).id
    reconcile(stack.ctx, "soak")
    # Its stop first, or the worker would meet the point with the stop instead of the close.
    _until(lambda: _covered_by_level(stack), lambda: _look_again(stack), 15)
    _arm(stack, cell)
    return desk.intend_exit(silent, BTC).id


def _let_time_pass(stack: LeanStack) -> None:
    """The half minute in which nothing new is opened beside what the cell before lost is not waited for."""
    with stack.ctx.sessions.begin() as session:
        session.execute(
            update(Order)
            .where(Order.state == OrderState.ABSENT, Order.submitted_at.is_not(None))
            .values(submitted_at=Order.submitted_at - HIDDEN_FOR)
        )


def _enter(stack: LeanStack, silent: ExecutionContext) -> None:
    """The entry the cell rests on. A machine that stands still for seconds makes one come too late for the exchange, or
    its reply for us: it is seen to its end, and another is intended. Raises RuntimeError with what was said of each.
    """
    said = []
    for _ in range(ENTRY_TRIES):
        entry = desk.intend_entry(silent, BTC)
        state = submit(stack.ctx, entry.id)
        if state == OrderState.LIVE:
            return
        with stack.ctx.sessions() as session:
            row = session.get_one(Order, entry.id)
        said.append(f"{state} ({row.last_code} {row.last_message})")
        if state == OrderState.DENIED:
            break
        clear(stack)
    raise RuntimeError(f"the entry the cell rests on was not accepted: {', then '.join(said)}")


def _arm(stack: LeanStack, cell: Cell) -> None:
    if cell.point == "after_request_written" and cell.misfortune != "reply_lost":
        stack.fault("reply_delayed", PATHS[cell.leg], seconds=REPLY_HELD_S)
    if cell.misfortune == "reply_lost":
        stack.fault("reply_lost_after_accept", PATHS[cell.leg])
    (stack.failpoints / cell.point).write_text(cell.action)


def _publisher(stack: LeanStack, cell: Cell, order_id: int | None) -> Callable[[], object]:
    if order_id is None:
        return lambda: stack.publish("protect.check")
    return lambda: stack.publish(f"{cell.queue}.submit", order_id)


def _nowhere(_task: str, _queue: str, _args: list[Any]) -> bool:
    """The cell publishes its message itself, when it is ready."""
    return False


def _wait_for_strike(stack: LeanStack, cell: Cell) -> None:
    """Until the process that reached the point is dead or stands still."""
    fired = stack.failpoints / f"{cell.point}.fired"
    _until(lambda: fired.exists() and fired.read_text().isdigit(), lambda: None, FIRES_WITHIN_S)
    pid = int(fired.read_text())
    _until(lambda: _state_of(pid) in ("", "Z", "T"), lambda: None, FIRES_WITHIN_S)


def _state_of(pid: int) -> str:
    """As in /proc: R, S, T (stopped), Z (dead, not yet reaped); empty when gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def converge(stack: LeanStack, publish: Callable[[], object] = lambda: None) -> list[str]:
    """What feeds, beat and sweep do, until our books equal the exchange. The last differences, when they never do.

    `publish` is called once a second, with the look again: a message that comes once more.
    """
    deadline, left, asked = monotonic() + CONVERGES_WITHIN_S, ["nothing was looked at"], 0.0
    while monotonic() < deadline:
        try:
            if monotonic() - asked > 1:
                for name in {"protect", *stack.workers}:
                    stack.worker(name)
                publish()
                _look_again(stack)
                asked = monotonic()
            reconcile(stack.ctx, "soak")
            left = stack.judge.differences()
        except (ReadFailed, DBAPIError) as trouble:
            left = [f"{type(trouble).__name__}: {trouble}"]
        if not left:
            return []
        sleep(0.1)
    return left


def _result(stack: LeanStack, cell: Cell, seconds: float, left: list[str]) -> Result:
    with stack.ctx.sessions() as session:
        order = session.scalars(select(Order).where(Order.leg == cell.leg).order_by(Order.id.desc()).limit(1)).first()
    assert order is not None, f"{cell}: no {cell.leg} was ever intended"
    (account,) = stack.exchange.get("/paper/audit")["accounts"].values()
    return Result(cell, order.state, int(account["accepted"].get(order.cl_ord_id, 0)), seconds, left)


def clear(stack: LeanStack) -> None:
    """Flat, nothing armed, and a bar later, for the next cell: no two positions open at the same market time."""
    for name in stack.workers:
        stack.worker(name)
    for file in stack.failpoints.iterdir():
        file.unlink()
    for position in stack.ctx.exchange.positions():
        stack.ctx.exchange.close_position(position.inst_id, position.mgn_mode, "")

    def flat() -> bool:
        reconcile(stack.ctx, "soak")
        return not stack.judge.differences() and not stack.ctx.exchange.positions()

    _until(flat, lambda: _look_again(stack), CONVERGES_WITHIN_S)
    stack.exchange.advance(1)


def _look_again(stack: LeanStack) -> None:
    """What beat and the sweep ask for: protection's look, and the messages of intents that nobody has sent."""
    stack.publish("protect.check")
    with stack.ctx.sessions() as session:
        unsent = session.execute(select(Order.id, Order.leg).where(Order.state == OrderState.INTENDED)).all()
    for order_id, leg in unsent:
        stack.publish("trade.submit" if leg in ENTRY_LEGS else "protect.submit", order_id)


def _covered_by_level(stack: LeanStack) -> bool:
    with stack.ctx.sessions() as session:
        rows = session.scalars(select(AlgoOrder).where(AlgoOrder.state.in_(coverage.LIVE))).all()
    return [row.close_fraction for row in rows] == [Decimal(1)]


def _until(condition: Callable[[], object], asking: Callable[[], object], within_s: float) -> None:
    deadline, asked = monotonic() + within_s, -1.0
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(f"did not happen within {within_s:.0f} s")
        if monotonic() - asked > 1:
            asked = monotonic()
            asking()
        sleep(0.02)
