"""/playbook, /playbook diff [a b], /playbook rollback N: what the bot believes, and since when."""

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from execution import control
from execution.errors import Refused
from models import PlaybookVersion
from telegram_ui.desk import Answer, Desk, Question, Request
from telegram_ui.text import bold, day_time, escaped, first_of, pieces, plural
from trading.playbook import Change, Playbook, diff, render

USAGE = "/playbook, /playbook diff 1 2, or /playbook rollback 1"
MOST_CHANGES = 60
ROOM = 2500


def playbook(desk: Desk, request: Request) -> Answer:
    """Show the version in force, a difference, or ask for a rollback."""
    head, *rest = request.words or ("",)
    if head == "":
        return _show(desk)
    if head == "diff" and len(rest) in (0, 2) and all(_is_number(word) for word in rest):
        return _difference(desk, [int(word) for word in rest])
    if head == "rollback" and len(rest) == 1 and _is_number(rest[0]):
        return _ask_rollback(desk, int(rest[0]))
    return Answer.of(USAGE)


def rolled_back(desk: Desk, request: Request, detail: dict[str, str]) -> Answer:
    """The second step of a rollback."""
    try:
        number = control.rollback_playbook(desk.ctx, int(detail["version"]), actor=request.actor, channel="telegram")
    except Refused as refusal:
        return Answer.of(f"Not rolled back: {escaped(refusal)}")
    return Answer.of(f"Version {detail['version']} serves again, as version {number}.")


def change_line(change: Change) -> str:
    """One difference: where, before, after."""
    before, after = (_value(change.before), _value(change.after))
    return f"<b>{escaped(change.path, 120)}</b>: {escaped(before, 200)} → {escaped(after, 200)}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)


def _show(desk: Desk) -> Answer:
    with desk.ctx.sessions() as session:
        row = _active(session, desk.ctx.account_id)
    if row is None:
        return Answer.of("There is no playbook yet.")
    at = day_time(row.created_at, desk.zone)
    head = f"{bold(f'Playbook version {row.version}')} · by {escaped(row.author)}, {at}\n{escaped(row.reason)}"
    paragraphs = render(Playbook.model_validate(row.content)).split("\n\n")
    return Answer((head, *(escaped(part, 3000) for paragraph in paragraphs for part in pieces(paragraph))))


def _difference(desk: Desk, numbers: list[int]) -> Answer:
    with desk.ctx.sessions() as session:
        active = _active(session, desk.ctx.account_id)
        if active is None:
            return Answer.of("There is no playbook yet.")
        old, new = numbers or (active.version - 1, active.version)
        if not numbers and active.version == 1:
            return Answer.of("There is one version only.")
        if old == new:
            return Answer.of("That is one version twice. " + USAGE)
        rows = [_version(session, desk.ctx.account_id, number) for number in (old, new)]
    if rows[0] is None or rows[1] is None:
        return Answer.of(f"There is no version {old if rows[0] is None else new}.")
    changes = diff(Playbook.model_validate(rows[0].content), Playbook.model_validate(rows[1].content))
    head = f"{bold(f'Version {old} → {new}')}: {plural(len(changes), 'change')}\n{escaped(rows[1].reason)}"
    evidence = rows[1].evidence_trade_ids
    if evidence:
        head += f"\nRests on trades {escaped(', '.join(map(str, evidence)), 200)}"
    shown = [change_line(change) for change in changes[:MOST_CHANGES]]
    if len(changes) > MOST_CHANGES:
        shown.append(f"… and {plural(len(changes) - MOST_CHANGES, 'more change', 'more changes')}")
    return Answer((head, *shown))


def _ask_rollback(desk: Desk, number: int) -> Answer:
    with desk.ctx.sessions() as session:
        active = _active(session, desk.ctx.account_id)
        wanted = _version(session, desk.ctx.account_id, number)
    if active is None or wanted is None:
        return Answer.of(f"There is no version {number}.")
    if number == active.version:
        return Answer.of(f"Version {number} is the one in force.")
    changes = diff(Playbook.model_validate(active.content), Playbook.model_validate(wanted.content))
    if not changes:
        return Answer.of(f"Version {number} says what version {active.version} says.")
    lines = [f"Go from version {active.version} back to {bold(number)}? {plural(len(changes), 'change')}:"]
    lines += first_of([change_line(change) for change in changes], ROOM, "change")
    return Answer(("\n".join(lines),), question=Question("rollback", {"version": str(number)}))


def _active(session: Session, account_id: int) -> PlaybookVersion | None:
    query = select(PlaybookVersion).where(PlaybookVersion.account_id == account_id, PlaybookVersion.active)
    return session.scalars(query).one_or_none()


def _version(session: Session, account_id: int, number: int) -> PlaybookVersion | None:
    query = select(PlaybookVersion).where(PlaybookVersion.account_id == account_id, PlaybookVersion.version == number)
    return session.scalars(query).one_or_none()


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 9
