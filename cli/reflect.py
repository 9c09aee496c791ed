"""`okxbot reflect`: have the bot reflect on its closed trades now, or see what it found before."""

import json
from time import monotonic, sleep
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import select

from cli.connection import Connection, connected
from cli.control import actor, execution_context
from execution import control
from execution.reflection_windows import answer_to
from models import Reflection
from runtime.errors import OperatorError

app = typer.Typer()
# Over the longest budget a reflection may have, and the sweep that brings it the message.
PATIENCE_S = 280.0
LOOK_S = 0.25


@app.command()
def reflect(
    last: Annotated[int, typer.Option(min=0, max=1000, help="Do not ask: show so many past reflections.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="One JSON array, statistics included.")] = False,
) -> None:
    """Reflect on the closed trades now, whatever is due, and say what came of it."""
    with connected() as connection:
        rows = _past(connection, last) if last else [_asked(connection)]
    if json_:
        print(json.dumps([_plain(row) for row in rows], indent=2))
        return
    for row in rows:
        for line in _lines(row):
            print(line)
    if not rows:
        print("no reflection yet: the first comes after 20 closed trades, or six hours with one")


def _asked(connection: Connection) -> Reflection:
    if connection.stopped:
        raise OperatorError(
            "the bot is stopped, and its reflection worker with it; `okxbot up` starts them (`okxbot reflect --last 5` "
            "shows what was found before)"
        )
    window = control.ask_reflection(execution_context(connection), actor=actor(), channel="cli")
    deadline = monotonic() + PATIENCE_S
    with Console(stderr=True).status("the bot reflects on its closed trades"):
        while monotonic() < deadline:
            with connection.sessions() as session:
                found = answer_to(session, connection.account_id, window)
            if found is not None:
                return found
            sleep(LOOK_S)
    raise OperatorError(
        "no answer from the reflection worker yet; it stays asked for. `okxbot status` shows whether the worker runs, "
        "`okxbot reflect --last 1` what it found"
    )


def _past(connection: Connection, number: int) -> list[Reflection]:
    with connection.sessions() as session:
        return list(
            session.scalars(
                select(Reflection)
                .where(Reflection.account_id == connection.account_id, Reflection.kind == "deep")
                .order_by(Reflection.id.desc())
                .limit(number)
            )
        )


def _lines(row: Reflection) -> list[str]:
    until = f" to {row.window_end:%Y-%m-%d %H:%M} UTC" if row.window_end else " (asked for)"
    version = f", playbook version {row.playbook_version}" if row.playbook_version else ""
    lines = [f"{row.outcome}{until}{version}: {row.text or row.reason}"]
    changes = (row.patch or {}).get("changes", [])
    for change in changes:
        fate, why = ("taken over", change["change"]["reason"]) if change["accepted"] else ("refused", change["why"])
        lines.append(f"  {fate}: {change['path']}: {why}")
    lines += [f"  refused: {fault}" for fault in (row.patch or {}).get("unreadable", [])]
    if not changes and row.reason != row.text:
        lines.append(f"  {row.reason}")
    return lines


def _plain(row: Reflection) -> dict[str, object]:
    return {
        "window": row.window,
        "window_start": row.window_start.isoformat() if row.window_start else None,
        "window_end": row.window_end.isoformat() if row.window_end else None,
        "outcome": row.outcome,
        "text": row.text,
        "reason": row.reason,
        "playbook_version": row.playbook_version,
        "patch": row.patch,
        "statistics": row.statistics,
        "created_at": row.created_at.isoformat(),
    }
