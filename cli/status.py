"""`okxbot status`: once, as text or JSON; and the live view of `okxbot up`."""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from sqlalchemy.exc import SQLAlchemyError

from cli.connection import Connection, connected
from cli.status_data import collect_status
from cli.status_view import plain_lines, render
from runtime.errors import file_trouble
from settings import AnySettings

REFRESH_S = 1.0
PLAIN_EVERY_S = 10.0
PICTURE_COLUMNS = 132
NOT_RUNNING, UNSUPERVISED = 3, 4  # what init scripts answer to `status`, too: stopped, not known
app = typer.Typer()


@app.command()
def status(
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the view as a picture into this file.")] = None,
) -> None:
    """Show what the bot is doing: state, money, positions with their stops, last decisions, services.

    Exit status 3 if the bot is stopped: what is shown is then as of its end; 4 if services run without supervisor.
    """
    with connected() as connection:
        found = collect_status(connection)
    if svg is not None:
        with file_trouble("write the picture to", svg), open(os.devnull, "w") as nowhere:
            console = Console(record=True, width=PICTURE_COLUMNS, file=nowhere)
            console.print(render(found))
            picture = console.export_svg(title="okxbot up")
            svg.write_text(re.sub(r"@font-face {.*?}", "", picture, flags=re.DOTALL))  # no font from afar
    elif json_:
        print(json.dumps(found, indent=2))
    elif sys.stdout.isatty():
        Console().print(render(found))
    else:
        print("\n".join(plain_lines(found)))
    if found["state"] == "stopped":
        raise typer.Exit(NOT_RUNNING)
    if found["unsupervised"]:
        raise typer.Exit(UNSUPERVISED)


def live_view(settings: AnySettings) -> None:
    """Redraw the status until interrupted; plain lines every ten seconds without a terminal."""
    with connected(settings) as connection:
        if not sys.stdout.isatty():
            while True:
                print(_text(connection), flush=True)
                time.sleep(PLAIN_EVERY_S)
        with Live(console=Console(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(_screen(connection), refresh=True)
                time.sleep(REFRESH_S)


def _text(connection: Connection) -> str:
    try:
        return "\n".join(plain_lines(collect_status(connection)))
    except SQLAlchemyError as error:
        return f"PostgreSQL does not answer ({type(error).__name__}); trying again"


def _screen(connection: Connection) -> RenderableType:
    try:
        return render(collect_status(connection))
    except SQLAlchemyError as error:
        return f"PostgreSQL does not answer ({type(error).__name__}); trying again"
