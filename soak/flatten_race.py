"""`flatten` of three positions while Redis is down and every worker is dead: how long until the exchange shows flat."""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

from execution import control, protection
from execution.context import ExecutionContext
from execution.reconcile import reconcile
from execution.submit import submit
from soak import desk
from soak.lean import BTC, ETH, SOL, LeanStack
from trading.decision import Action
from trading.orders import OrderState

HELD = ((BTC, Action.OPEN_LONG), (ETH, Action.OPEN_SHORT), (SOL, Action.OPEN_LONG))


def flatten_three(stack: LeanStack, times: int) -> Iterator[float]:
    """Open three protected positions, take Redis and workers away, flatten; yields the seconds each took.

    Raises RuntimeError when the exchange is not flat afterwards.
    """
    for worker in stack.workers.values():
        worker.kill()
    stack.redis.stop()
    ctx = replace(stack.ctx, send=_nowhere)
    try:
        for _ in range(times):
            _open_three(ctx)
            began = monotonic()
            answer = control.flatten(ctx, actor="soak", channel="soak")
            took = monotonic() - began
            left = [*ctx.exchange.positions(), *ctx.exchange.algos_pending(), *ctx.exchange.orders_pending()]
            if not answer.flat or left:
                raise RuntimeError(f"not flat after {took:.1f} s: {answer.left} {left}")
            reconcile(ctx, "soak")
            control.resume(ctx, actor="soak", channel="soak")
            yield took
    finally:
        stack.redis.start()


def _open_three(ctx: ExecutionContext) -> None:
    for inst_id, action in HELD:
        order = desk.intend_entry(ctx, inst_id, action)
        state = submit(ctx, order.id)
        if state != OrderState.LIVE:
            raise RuntimeError(f"the entry in {inst_id} is {state}")
    reconcile(ctx, "soak")
    protection.check(ctx)
    reconcile(ctx, "soak")


def _nowhere(_task: str, _queue: str, _args: list[Any]) -> bool:
    """Redis is down: no message leaves."""
    return False
