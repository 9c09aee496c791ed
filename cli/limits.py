"""`okxbot limits`: the hard limits in force, and lifting what was tightened by hand (`/config` in Telegram)."""

import json
import sys
from typing import Annotated

import typer

from cli.connection import connected
from cli.control import actor, execution_context
from execution import control
from execution.errors import Refused
from execution.tightening import limits_in_force, overrides
from runtime.errors import OperatorError

app = typer.Typer()


@app.command()
def limits(
    clear: Annotated[str, typer.Option(metavar="KEY", help="Let the setting of this limit rule again.")] = "",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the hard limits in force; a limit tightened by hand holds until it is cleared here."""
    with connected() as connection:
        if clear:
            try:
                was = control.clear_limit(execution_context(connection), clear.lower(), actor=actor(), channel="cli")
            except Refused as refusal:
                raise OperatorError(str(refusal)) from None
            print(f"{clear.lower()} was {was}; its setting rules again", file=sys.stderr if json_ else sys.stdout)
        with connection.sessions() as session:
            in_force = limits_in_force(session, connection.account_id, connection.settings)
            tightened = overrides(session, connection.account_id)
    if json_:
        found = {key: {"value": f"{value:f}", "tightened": key in tightened} for key, value in in_force.items()}
        print(json.dumps(found, indent=2))
        return
    for key, value in in_force.items():
        print(f"{key:<24} {value:>8f}{'  tightened by hand' if key in tightened else ''}")
