"""`okxbot replay CYCLE` and `okxbot whatif CYCLE`: a stored cycle once more, the same or otherwise.

They run in a process of their own (`pipeline.replay`), told the database by its environment: the faces hold no brain.
"""

import os
import subprocess
import sys
from typing import Annotated, Literal

import typer

from cli.connection import connected
from runtime.services import CHECKOUT

app = typer.Typer()
Cycle = Annotated[int, typer.Argument(metavar="CYCLE", min=1)]


@app.command()
def replay(cycle: Cycle) -> None:
    """Run a cycle again from the store, without network: the same bytes, or what differs. Status 1: it differs."""
    _run([str(cycle)])


@app.command()
def whatif(
    cycle: Cycle,
    analyst: Annotated[Literal["", "rules", "claude"], typer.Option(metavar="rules|claude", help="Who decides.")] = "",
    model: Annotated[str, typer.Option(help="Another model for Opus's place.")] = "",
    prompt_version: Annotated[str, typer.Option(help="An earlier template, e.g. decide-2.")] = "",
    limit: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A limit of the gate.")] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Allow one model call where no answer is stored.")] = False,
) -> None:
    """What another analyst, model, prompt or limit would have made of a cycle. Asks no model unless --ask."""
    arguments = ["--whatif", str(cycle)]
    for name, value in (("--analyst", analyst), ("--model", model), ("--prompt-version", prompt_version)):
        arguments += [name, value] if value else []
    arguments += [part for item in limit or [] for part in ("--limit", item)]
    _run([*arguments, *(["--ask"] if ask else [])])


def _run(arguments: list[str]) -> None:
    with connected() as connection:
        # The analyst's key is only needed to ask; a replay must not fail for want of it.
        environment = dict(os.environ) | {
            "DATABASE_URL": connection.plan.dsn, "OKXBOT_HOME": str(connection.plan.home.folder), "ANALYST": "auto",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.replay", *arguments], cwd=CHECKOUT, env=environment, check=False
        )
    if done.returncode:
        raise typer.Exit(done.returncode)
