"""What a confirmed question does, by name; each is the second step of a command or a button."""

from collections.abc import Callable

from execution import control
from execution.errors import Refused
from telegram_ui.commands import config, halting, playbook
from telegram_ui.commands.positions import one_line, open_positions
from telegram_ui.desk import Answer, Desk, Question, Request
from telegram_ui.text import bold, coin, escaped

Act = Callable[[Desk, Request, dict[str, str]], Answer]


def close(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """Close one position at the market."""
    inst_id = detail["inst_id"]
    try:
        gone = control.close_position(desk.ctx, inst_id, actor=request.actor, channel="telegram")
    except Refused as refusal:
        return Answer.of(f"Not closed: {escaped(refusal)}")
    if gone:
        return Answer.of(f"{bold(coin(inst_id))} closed: the exchange shows no position any more.")
    return Answer.of(f"🚨 {bold(coin(inst_id))}: the close was sent; the exchange still shows a position. /positions")


def asked_by_button(desk: Desk, what: str, inst_id: str) -> Answer:
    """The question behind a button of /positions: it may have been pressed long after it was shown."""
    with desk.ctx.sessions() as session:
        row = next((p for p in open_positions(session, desk.ctx.account_id) if p.inst_id == inst_id), None)
    if row is None:
        return Answer.of(f"There is no position in {escaped(coin(inst_id), 20)} any more.")
    if what == "close":
        return Answer((f"Close at the market?\n{one_line(row)}",), question=Question("close", {"inst_id": inst_id}))
    return Answer.of("Moving a stop to break-even is not available yet: the bot itself cannot move stops so far.")


ACTIONS: dict[str, Act] = {
    "close": close,
    "flatten": halting.flattened,
    "resume": halting.resumed,
    "rollback": playbook.rolled_back,
    "tighten": config.tightened,
}
