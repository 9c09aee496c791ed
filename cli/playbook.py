"""`okxbot playbook show|versions|diff|rollback|edit`: what the bot believes, since when, and a person's word on it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.connection import Connection, connected
from cli.control import actor, execution_context
from cli.show import print_whole
from cli.status_view import signed
from execution import control
from execution.errors import Refused
from execution.playbook import Record, records
from models import PlaybookVersion
from runtime.errors import OperatorError
from trading.playbook import Change, Playbook, diff, render

app = typer.Typer()
playbook_app = typer.Typer(help="The playbook: show, versions, diff, rollback, edit.", no_args_is_help=True)
app.add_typer(playbook_app, name="playbook")
Number = Annotated[int | None, typer.Argument(metavar="VERSION", min=1, help="Default: the one in force.")]


@playbook_app.command()
def show(
    version: Number = None,
    json_: Annotated[bool, typer.Option("--json", help="The content alone, as `edit --file` takes it.")] = False,
) -> None:
    """One version: who wrote it and why, what came of it, what it says."""
    with connected() as connection, connection.sessions() as session:
        row = _version(session, connection, version)
        record = records(session, connection.account_id).get(row.version)
    content = Playbook.model_validate(row.content)
    if json_:
        print(content.model_dump_json(indent=2))
        return
    since = f", since {row.market_at:%Y-%m-%d %H:%M} UTC market time" if row.market_at else ""
    print(f"version {row.version}{' (in force)' if row.active else ''}, by {row.author}{since}: {row.reason}")
    if row.evidence_trade_ids:
        print(f"rests on trades {', '.join(map(str, row.evidence_trade_ids))}")
    print(f"trades opened while it ruled: {_said(record)}\n")
    print(render(content, budget_tokens=sys.maxsize))


@playbook_app.command()
def versions() -> None:
    """All versions, newest first, with what came of the trades opened under each."""
    with connected() as connection, connection.sessions() as session:
        rows = session.scalars(
            select(PlaybookVersion)
            .where(PlaybookVersion.account_id == connection.account_id)
            .order_by(PlaybookVersion.version.desc())
        ).all()
        found = records(session, connection.account_id)
    table = Table(box=None, header_style="dim")
    for name in ("version", "since (market)", "author", "trades", "won", "mean R", "net P&L", "why"):
        table.add_column(name, justify="right" if name in ("version", "trades", "won", "mean R", "net P&L") else "left")
    for row in rows:
        record = found.get(row.version)
        mean = "" if record is None or record.mean_r is None else f"{record.mean_r:+.2f}"
        table.add_row(
            f"{row.version}{' *' if row.active else ''}", f"{row.market_at:%Y-%m-%d %H:%M}" if row.market_at else "",
            row.author, str(record.trades if record else 0), str(record.wins if record else 0), mean,
            signed(str(record.net_pnl)) if record else "", row.reason,
        )  # fmt: skip
    if sys.stdout.isatty():
        Console().print(table)
        Console().print("* in force", style="dim")
    else:
        print_whole(table)


@playbook_app.command("diff")
def difference(
    old: Annotated[int | None, typer.Argument(metavar="A", min=1, help="Default: the one before B.")] = None,
    new: Annotated[int | None, typer.Argument(metavar="B", min=1, help="Default: the one in force.")] = None,
) -> None:
    """What changed between two versions."""
    with connected() as connection, connection.sessions() as session:
        after = _version(session, connection, new)
        if old is None and after.version == 1:
            print("there is one version only")
            return
        before = _version(session, connection, old or after.version - 1)
    changes = diff(Playbook.model_validate(before.content), Playbook.model_validate(after.content))
    print(f"version {before.version} → {after.version}, by {after.author}: {after.reason}")
    for change in changes:
        print(_line(change))
    if not changes:
        print("they say the same")


@playbook_app.command()
def rollback(version: Annotated[int, typer.Argument(metavar="VERSION", min=1)]) -> None:
    """Serve an earlier version again, at once; it becomes a new version."""
    with connected() as connection:
        try:
            number = control.rollback_playbook(execution_context(connection), version, actor=actor(), channel="cli")
        except Refused as refusal:
            raise OperatorError(str(refusal)) from None
    print(f"version {version} serves again, as version {number}")


@playbook_app.command()
def edit(
    file: Annotated[
        Path | None, typer.Option(help="Take the content from this file (`show --json`) instead of an editor.")
    ] = None,
) -> None:
    """Change the playbook by hand: in $EDITOR, or from a file. What does not hold is refused, and nothing is lost."""
    with connected() as connection:
        with connection.sessions() as session:
            ruling = _version(session, connection, None)
        if file is not None:
            text = _read(file)
            kept = file
        else:
            text, kept = _edited(Playbook.model_validate(ruling.content))
        context = execution_context(connection)
        try:
            number = control.edit_playbook(context, text, ruling.version, actor=actor(), channel="cli")
        except Refused as refusal:
            where = f"; your text is in {kept}, mend it and `okxbot playbook edit --file {kept}`" if not file else ""
            raise OperatorError(f"not taken over: {refusal}{where}") from None
        if file is None:
            kept.unlink()
    print(f"version {number} is in force")


def _edited(content: Playbook) -> tuple[str, Path]:
    """What the person made of it, and the file it is in. Raises OperatorError when the editor fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor or not sys.stdin.isatty():
        raise OperatorError(
            "no editor here: set EDITOR, or `okxbot playbook show --json > book.json`, change that, and "
            "`okxbot playbook edit --file book.json`"
        )
    handle, name = tempfile.mkstemp(prefix="playbook-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(content.model_dump_json(indent=2) + "\n")
    try:
        status = subprocess.run([*editor.split(), name], check=False).returncode
    except OSError as error:
        raise OperatorError(f"EDITOR: {editor} cannot be started: {error.strerror}") from None
    if status:
        raise OperatorError(f"the editor ended with status {status}; nothing was changed")
    return _read(Path(name)), Path(name)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise OperatorError(f"{file}: cannot be read: {reason}") from None


def _version(session: Session, connection: Connection, number: int | None) -> PlaybookVersion:
    """The version in force, or the one of that number. Raises OperatorError."""
    query = select(PlaybookVersion).where(PlaybookVersion.account_id == connection.account_id)
    query = query.where(PlaybookVersion.active if number is None else PlaybookVersion.version == number)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise OperatorError(
            f"there is no playbook version {number}; `okxbot playbook versions` lists them"
            if number is not None
            else "there is no playbook yet; the bot writes the first one when it starts"
        )
    return row


def _said(record: Record | None) -> str:
    if record is None:
        return "none has closed"
    mean = "" if record.mean_r is None else f", mean {record.mean_r:+.2f} R"
    return f"{record.trades} closed, {record.wins} won{mean}, net {record.net_pnl:+.2f} USDT"


def _line(change: Change) -> str:
    before, after = (_value(value) for value in (change.before, change.after))
    return f"  {change.path}: {before} → {after}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)
