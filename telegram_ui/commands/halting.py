"""/halt, /resume, /flatten: the owner's hand, through `execution.control` like every other face."""

from execution import control
from execution.errors import Refused
from execution.flatten import FlattenAnswer
from models import BotState
from telegram_ui.commands.positions import one_line, open_positions
from telegram_ui.desk import Answer, Desk, Question, Request
from telegram_ui.text import bold, escaped, money, plural

LONGEST_REASON = 300


def halt(desk: Desk, request: Request) -> Answer:
    """Halt, then say what is true: the flag is committed, what was on its way, what is open."""
    reason = request.text[:LONGEST_REASON] or "by hand"
    answer = control.halt(desk.ctx, reason=reason, actor=request.actor, channel="telegram")
    head = bold("Was halted already") if answer.kept else bold("Halted")
    why = escaped(answer.reason + answer.beside)
    lines = [f"🛑 {head} ({escaped(answer.kind)}): {why}", "No entry can be sent any more."]
    lines += [f"Already on its way: {escaped(cl_ord_id)}" for cl_ord_id in answer.in_flight]
    with desk.ctx.sessions() as session:
        rows = open_positions(session, desk.ctx.account_id)
    lines += [one_line(row) for row in rows] or ["No open position."]
    if rows:
        lines.append("Stops stay in force. /flatten closes everything.")
    return Answer.of("\n".join(lines))


def resume(desk: Desk, request: Request) -> Answer:
    """Lift a halt by hand at once; after any other, ask first."""
    with desk.ctx.sessions() as session:
        state = session.get_one(BotState, desk.ctx.account_id)
    if not state.halted and (state.day is None or state.day_baseline is not None):
        return Answer.of("The bot is not halted.")
    if state.halted and state.halt_kind == "manual":
        return resumed(desk, request, control.which(state))
    why = f"{state.halt_kind}: {state.halt_reason}" if state.halted else "no baseline for today"
    lines = [
        f"Entries are refused ({escaped(why)}).",
        *([f"Resuming re-bases: {bold(words)}."] if (words := _rebased_words(desk, state)) else []),
        "Let it trade again?",
    ]
    return Answer(("\n".join(lines),), question=Question("resume", control.which(state)))


def resumed(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """The second step. Refused when another halt has come since the question was asked."""
    with desk.ctx.sessions() as session:
        state = session.get_one(BotState, desk.ctx.account_id)
    words = _rebased_words(desk, state)
    try:
        lifted = control.resume(desk.ctx, actor=request.actor, channel="telegram", only=detail)
    except Refused as refusal:
        return Answer.of(f"Not resumed: {escaped(refusal)}")
    rebased = f"\nRe-based: {words}." if words else ""
    return Answer.of(f"🟢 {bold('Trading again')}; lifted {escaped(lifted)}{rebased}")


def flatten(desk: Desk, request: Request) -> Answer:
    """Ask; what is not ours is only closed when `all` is said."""
    if request.words not in ((), ("all",)):
        return Answer.of("/flatten closes what is ours; /flatten all everything on the account.")
    with desk.ctx.sessions() as session:
        rows = open_positions(session, desk.ctx.account_id)
    what = "everything on the account, also what is not ours" if request.words else "what is ours"
    lines = [f"Halt, cancel all orders and close {bold(what)}?", *(one_line(row) for row in rows)]
    return Answer(("\n".join(lines),), question=Question("flatten", {"all": "yes" if request.words else "no"}))


def flattened(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """The second step; answers when the exchange shows flat, or after 20 s with what is left."""
    try:
        answer = control.flatten(desk.ctx, all_=detail.get("all") == "yes", actor=request.actor, channel="telegram")
    except Refused as refusal:
        return Answer.of(f"Not flattened: {escaped(refusal)}")
    return Answer.of("\n".join(_lines(answer)))


def _lines(answer: FlattenAnswer) -> list[str]:
    lines = [
        f"🛑 {bold('Halted, and the exchange shows flat.')}"
        if answer.flat
        else f"🚨 {bold('Halted, but NOT flat.')} The exchange still shows: {escaped(', '.join(answer.left))}"
    ]
    if answer.closed:
        lines.append(f"Closed {escaped(', '.join(answer.closed))}")
    if answer.canceled:
        lines.append(f"Cancelled {plural(len(answer.canceled), 'order or stop', 'orders and stops')}")
    if answer.untouched:
        lines.append(f"Not ours, left alone: {escaped(', '.join(answer.untouched))}")
    return lines


def _rebased_words(desk: Desk, state: BotState) -> str:
    """Which baselines `resume` will start anew, in words; automatic halts would otherwise come back at once."""
    names = {
        "day": f"the day's baseline {money(state.day_baseline)} → {money(state.equity)}",
        "peak": f"the equity peak {money(state.peak_equity)} → {money(state.equity)}",
    }
    parts = control.rebased_by_resume(desk.ctx)
    return ", ".join(names[part] for part in parts)
