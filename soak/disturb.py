"""What the steps of a schedule do to a whole bot. A step that meets a world already broken does nothing more."""

import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy.exc import DBAPIError

from exchange.errors import ReadFailed
from execution import control
from execution.errors import DuplicateIntent, Refused
from soak import desk
from soak.schedule import Step
from soak.whole import WholeBot
from trading.clock import ClockUnavailable
from trading.decision import Action
from trading.orders import ENTRY_LEGS

ALREADY_BROKEN = (httpx.HTTPError, ReadFailed, DBAPIError, ClockUnavailable, KeyError)


def perform(bot: WholeBot, step: Step) -> str:
    """Do it; returns what came of it: `done`, or why it could not be done."""
    action = _ACTIONS[step.kind.partition(" ")[0]]
    try:
        return action(bot, dict(step.detail)) or "done"
    except ALREADY_BROKEN as broken:
        return f"not possible: {type(broken).__name__}"
    except (DuplicateIntent, Refused, ValueError) as refusal:
        return f"refused: {str(refusal)[:80]}"


def calm(bot: WholeBot) -> None:
    """End what goes on: faults are forgotten, stopped processes continue, silent sockets are closed."""
    for service in bot.supervisor.states():
        bot.signal(service, signal.SIGCONT)
    for file in bot.failpoints.iterdir():
        file.unlink(missing_ok=True)
    bot.clear_faults()
    bot.fault(name="ws_drop", path="")


def _trade(bot: WholeBot, detail: dict[str, Any]) -> str | None:
    """Open when flat; otherwise add, reduce or close. Delivered as often as it says."""
    inst_id, contracts = detail["inst_id"], Decimal(detail["contracts"])
    held = sum((p.contracts for p in bot.ctx.exchange.positions(inst_id)), Decimal(0))
    action = Action(detail["opening"] if held == 0 else detail["otherwise"])
    if action in (Action.CLOSE, Action.REDUCE):
        if action is Action.REDUCE and abs(held) <= contracts:
            action = Action.CLOSE
        order = desk.intend_exit(bot.ctx, inst_id, action, contracts)
    else:
        order = desk.intend_entry(bot.ctx, inst_id, action, contracts)
    queue = "trade" if order.leg in ENTRY_LEGS else "protect"
    for _ in range(detail["deliveries"] - 1):
        bot.publish(f"{queue}.submit", queue, [order.id])
    return None


def _stand_still(bot: WholeBot, detail: dict[str, Any]) -> None:
    bot.signal(detail["service"], signal.SIGSTOP)
    timer = threading.Timer(detail["seconds"], bot.signal, [detail["service"], signal.SIGCONT])
    timer.daemon = True
    timer.start()


def _halt_and_resume(bot: WholeBot, _detail: dict[str, Any]) -> None:
    control.halt(bot.ctx, reason="a schedule", actor="soak", channel="soak")
    control.resume(bot.ctx, actor="soak", channel="soak")


def _flatten(bot: WholeBot, _detail: dict[str, Any]) -> str:
    answer = control.flatten(bot.ctx, actor="soak", channel="soak")
    return "flat" if answer.flat else f"not flat: {', '.join(answer.left)[:80]}"


_ACTIONS: dict[str, Callable[[WholeBot, dict[str, Any]], str | None]] = {
    "trade": _trade,
    "crash_at": lambda bot, d: (bot.failpoints / d["point"]).write_text(d["action"]) and None,
    "kill": lambda bot, d: bot.signal(d["service"], signal.SIGKILL),
    "kill_child": lambda bot, d: bot.kill_child(d["service"]),
    "group_sigterm": lambda bot, d: bot.signal(d["service"], signal.SIGTERM),
    "stand_still": _stand_still,
    "fault": lambda bot, d: bot.fault(**d),
    "kill_exchange": lambda bot, d: bot.signal("exchange", signal.SIGKILL),
    "switch_exchange": lambda bot, d: bot.switch_exchange(d),
    "kill_redis": lambda bot, d: bot.signal("redis", signal.SIGKILL),
    "roll_back_redis": lambda bot, d: bot.roll_back_redis(),
    "restart_postgres": lambda bot, d: bot.signal("postgres", signal.Signals[f"SIG{d['how']}"]),
    "halt_and_resume": _halt_and_resume,
    "flatten": _flatten,
}
