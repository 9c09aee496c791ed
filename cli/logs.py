"""`okxbot logs`: what all services wrote, in order; with `--cycle`, one decision from its candle to its fills."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from cli.connection import Connection, connected
from models import DecisionCycle, Order, Trade
from runtime.errors import OperatorError
from runtime.home import Home
from runtime.log_reader import Line, Wanted, follow, read, services_with_logs
from settings import load_settings

app = typer.Typer()
LEVELS = ("debug", "info", "warning", "error")
COLOURS = {"warning": typer.colors.YELLOW, "error": typer.colors.RED}
LOOK_EVERY_S = 0.3
_UNSAID = ("timestamp", "level", "service", "event", "exception", "task_id")


@app.command()
def logs(
    services: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]…", help="Default: all.")] = None,
    cycle: Annotated[int | None, typer.Option("--cycle", min=1, help="Only what belongs to this decision.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="How many lines.")] = 50,
    level: Annotated[str, typer.Option("--level", help="Least severe: debug, info, warning, error.")] = "debug",
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The lines as they were written.")] = False,
) -> None:
    """Show the logs of all services as one; `--cycle ID` follows a decision from its candle to its fills."""
    if level not in LEVELS:
        raise OperatorError(f"there is no level {level}; there are {', '.join(LEVELS)}")
    folder = Home(load_settings().okxbot_home).logs
    names = _chosen(folder, services or [])
    of_the_cycle = _of_cycle(cycle) if cycle is not None else None
    wanted = _wanted(level, of_the_cycle)
    show = _raw if json_ else _readable
    shown = read(folder, names, wanted, None if cycle is not None else limit)
    for line in shown:
        print(show(line))
    if not shown and not following:
        what = f" of cycle {cycle}" if cycle is not None else ""
        print(f"nothing{what} in {folder}", file=sys.stderr)
    news = follow(folder, names, wanted) if following else None
    while news is not None:
        sys.stdout.flush()
        time.sleep(LOOK_EVERY_S)
        for line in news():
            print(show(line))


def _chosen(folder: Path, services: list[str]) -> list[str]:
    there = services_with_logs(folder)
    if not there:
        raise OperatorError(f"there are no logs in {folder} yet; start the bot with `okxbot up`")
    unknown = [name for name in services if name not in there]
    if unknown:
        raise OperatorError(f"there is no log of {', '.join(unknown)}; there are {', '.join(there)}")
    return services or there


def _wanted(level: str, of_the_cycle: Wanted | None) -> Wanted:
    severe = set(LEVELS[LEVELS.index(level) :]) | {"critical"}

    def wanted(line: Line) -> bool:
        if of_the_cycle is not None and not of_the_cycle(line):
            return False
        return level == "debug" or line.entry.get("level", "info") in severe

    return wanted


def _of_cycle(cycle_id: int) -> Wanted:
    """Whether a line belongs to the cycle: by its id, by its orders' and trades', by its candle."""
    with connected() as connection:
        marks = _marks(connection, cycle_id)

    def belongs(line: Line) -> bool:
        entry = line.entry
        if any(entry.get(name) in values for name, values in marks.items()):
            return True
        return (entry.get("inst_id"), entry.get("slot")) in marks["candle"]

    return belongs


def _marks(connection: Connection, cycle_id: int) -> dict[str, set[Any]]:
    with connection.sessions() as session:
        row = session.get(DecisionCycle, cycle_id)
        if row is None or row.account_id != connection.account_id:
            raise OperatorError(f"there is no cycle {cycle_id}; `okxbot cycles` lists them")
        trades = session.scalars(select(Trade).where(Trade.cycle_id == cycle_id)).all()
        orders = [*session.scalars(select(Order).where(Order.cycle_id == cycle_id))]
        for trade in trades:
            # Stops and closes of the bot itself belong to the position, which the cycle opened.
            orders += session.scalars(
                select(Order).where(
                    Order.account_id == connection.account_id, Order.inst_id == trade.inst_id,
                    Order.position_opened_at == trade.opened_market_at, Order.cycle_id.is_(None),
                )
            )  # fmt: skip
    return {
        "cycle_id": {cycle_id},
        "order_id": {order.id for order in orders},
        "cl_ord_id": {order.cl_ord_id for order in orders},
        "trade_id": {trade.id for trade in trades},
        "candle": {(row.inst_id, row.slot.isoformat())},
    }


def _raw(line: Line) -> str:
    return line.raw


def _readable(line: Line) -> str:
    entry = line.entry
    at = line.at[:10] + " " + line.at[11:23] if len(line.at) > 22 else line.at or "-"
    if "event" not in entry or "level" not in entry:
        return f"{at:<23}  {line.service:<13} {line.raw}"
    rest = "  ".join(f"{key}={value}" for key, value in entry.items() if key not in _UNSAID and value is not None)
    text = f"{at:<23}  {line.service:<13} {entry['event']:<20} {rest}".rstrip()
    if entry.get("exception"):
        text += "\n" + str(entry["exception"])
    return _coloured(text, COLOURS.get(str(entry["level"]))) if sys.stdout.isatty() else text


def _coloured(text: str, colour: str | None) -> str:
    return typer.style(text, fg=colour) if colour else text
