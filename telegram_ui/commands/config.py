"""/config [key [value]]: the hard limits in force; an admin may tighten one, never loosen it from here."""

from decimal import Decimal

from execution import control
from execution.errors import Refused
from execution.tightening import judged, limits_in_force, overrides
from telegram_ui.desk import Answer, Desk, Question, Request
from telegram_ui.text import bold, escaped, pairs
from trading.tightening import TIGHTENS, is_tighter


def config(desk: Desk, request: Request) -> Answer:
    """Show all, show one, or ask whether one should be tightened."""
    ctx = desk.ctx
    with ctx.sessions() as session:
        now = limits_in_force(session, ctx.account_id, ctx.settings)
        tightened = overrides(session, ctx.account_id)
    if not request.words:
        rows = [(key + ("*" if key in tightened else ""), f"{value:f}") for key, value in now.items()]
        return Answer.of(
            "Limits in force" + (" (* tightened by hand)" if tightened else "") + "\n" + pairs(rows),
            f"{bold('/config KEY VALUE')} tightens one. Loosening is done in the settings, on the machine.",
        )
    key = request.words[0].lower()
    if key not in now:
        return Answer.of(f"{escaped(key, 60)} cannot be seen or changed from here; /config lists what can.")
    if len(request.words) == 1:
        described = type(ctx.settings).model_fields[key].description or ""
        return Answer.of(f"{bold(key)} {now[key]:f}\n{escaped(described)}\nTighter is {TIGHTENS[key]}.")
    if len(request.words) > 2:
        return Answer.of(f"One value, please: /config {key} {now[key]:f}")
    try:
        wish = judged(ctx.settings, key, request.words[1])
    except Refused as refusal:
        return Answer.of(escaped(refusal))
    if not is_tighter(key, wish, now[key]):
        return Answer.of(f"{bold(key)} is {now[key]:f}; only {TIGHTENS[key]} values may be set from here.")
    return Answer(
        (f"Tighten {bold(key)} from {now[key]:f} to {wish:f}? From here it cannot be loosened again.",),
        question=Question("tighten", {"key": key, "value": f"{wish:f}"}),
    )


def tightened(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """The second step."""
    try:
        before, after = control.tighten_limit(
            desk.ctx, detail["key"], detail["value"], actor=request.actor, channel="telegram"
        )
    except Refused as refusal:
        return Answer.of(escaped(refusal))
    return Answer.of(f"{bold(detail['key'])} {_plain(before)} → {_plain(after)}, in force with the next decision.")


def _plain(value: Decimal) -> str:
    return f"{value:f}"
