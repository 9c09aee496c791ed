"""What a confirmed question does, by name; each is the second step of a command or a button."""

from collections.abc import Callable

from exchange.errors import ReadFailed
from execution import control
from execution.errors import Refused
from telegram_ui.commands import config, halting, playbook
from telegram_ui.commands.positions import one_line, open_positions
from telegram_ui.desk import Answer, Desk, Question, Request
from telegram_ui.text import bold, coin, escaped, price

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


def break_even(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """Move one position's stop to where it costs nothing to be stopped."""
    inst_id = detail["inst_id"]
    try:
        moved = control.move_stop(desk.ctx, inst_id, break_even=True, actor=request.actor, channel="telegram")
    except Refused as refusal:
        return Answer.of(f"Not moved: {escaped(refusal)}")
    except ReadFailed as failure:
        return Answer.of(
            f"Not known whether it was moved: the exchange cannot be read ({escaped(failure)}). /positions"
        )
    return Answer.of(
        f"{bold(coin(inst_id))} stop {price(moved.before)} → {price(moved.now)}, as the exchange shows it."
    )


def asked_by_button(desk: Desk, what: str, inst_id: str) -> Answer:
    """The question behind a button of /positions: it may have been pressed long after it was shown."""
    with desk.ctx.sessions() as session:
        row = next((p for p in open_positions(session, desk.ctx.account_id) if p.inst_id == inst_id), None)
    if row is None:
        return Answer.of(f"There is no position in {escaped(coin(inst_id), 20)} any more.")
    if what == "close":
        return Answer((f"Close at the market?\n{one_line(row)}",), question=Question("close", {"inst_id": inst_id}))
    text = f"Move the stop to break-even, costs included?\n{one_line(row)}"
    return Answer((text,), question=Question("break_even", {"inst_id": inst_id}))


ACTIONS: dict[str, Act] = {
    "break_even": break_even,
    "close": close,
    "flatten": halting.flattened,
    "resume": halting.resumed,
    "rollback": playbook.rolled_back,
    "tighten": config.tightened,
}
