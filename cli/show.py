"""`okxbot trades`, `okxbot cycles`, `okxbot cycle show ID`: what was done, and every reason for it."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from cli.connection import connected
from cli.cycle_text import cycle_lines
from cli.status_data import cycle_line
from cli.status_view import clock, price, signed
from models import DecisionCycle, LlmCall, Order, OrderEvent, RiskVerdict, ScreenerLog, Trade
from runtime.errors import OperatorError

app = typer.Typer()
cycle_app = typer.Typer(help="One decision cycle.", no_args_is_help=True)
app.add_typer(cycle_app, name="cycle")
Json = Annotated[bool, typer.Option("--json", help="One JSON array.")]
TRADE_COLUMNS = (
    "id", "instrument", "side", "opened", "closed", "entry", "exit", "net P&L", "R", "exit by", "strategy",
)  # fmt: skip
UNCUT = 10_000  # columns
Many = Annotated[int, typer.Option("--limit", "-n", min=1, max=10000, help="How many, newest first.")]


@app.command()
def trades(json_: Json = False, limit: Many = 20) -> None:
    """Round trips, newest first: entry, exit, costs, R."""
    with connected() as connection, connection.sessions() as session:
        rows = session.scalars(
            select(Trade).where(Trade.account_id == connection.account_id).order_by(Trade.id.desc()).limit(limit)
        ).all()
    found = [_plain(row) for row in rows]
    if json_:
        print(json.dumps([_numbers(row) for row in found], indent=2))
        return
    table = Table(box=None, header_style="dim")
    for name in TRADE_COLUMNS:
        table.add_column(name, justify="right" if name in ("id", "entry", "exit", "net P&L", "R") else "left")
    for t in found:
        table.add_row(
            str(t["id"]), t["inst_id"], t["side"], clock(t["opened_market_at"]),
            clock(t["closed_market_at"]) if t["closed_market_at"] else "open", price(t["entry_px"]),
            price(t["exit_px"]), signed(t["net_pnl"]) if t["closed_market_at"] else "",
            f"{float(t['r_multiple']):+.2f}" if t["r_multiple"] else "", t["exit_reason"] or "", t["strategy"] or "",
        )  # fmt: skip
    if not found:
        print("no trades yet")
    elif sys.stdout.isatty():
        Console().print(table)
    else:
        print_whole(table)


def print_whole(table: Table) -> None:
    """Every row whole, on one line, for a file or another program: without a terminal rich would cut at 80 columns."""
    page = Console(width=UNCUT, color_system=None)
    with page.capture() as capture:
        page.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


@app.command()
def cycles(json_: Json = False, limit: Many = 20) -> None:
    """Decision cycles, newest first, with outcome and reason."""
    with connected() as connection, connection.sessions() as session:
        rows = session.scalars(
            select(DecisionCycle)
            .where(DecisionCycle.account_id == connection.account_id)
            .order_by(DecisionCycle.slot.desc(), DecisionCycle.id.desc())
            .limit(limit)
        ).all()
    found = [cycle_line(row) for row in rows]
    if json_:
        print(json.dumps(found, indent=2))
        return
    for c in found:
        print(
            f"{c['id']:>6}  {clock(c['slot'])}  {c['instrument']:<15} {c['action'] or '-':<10} "
            f"{c['outcome'] or c['stage']:<10} {c['reason'] or ''}"
        )
    if not found:
        print("no cycles yet")


@cycle_app.command()
def show(
    cycle_id: Annotated[int, typer.Argument(metavar="ID")],
    prompt: Annotated[bool, typer.Option("--prompt", help="What its models were asked, and what they said.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="All of it, with the inputs, as one JSON object.")] = False,
) -> None:
    """Everything about one cycle: stages, model calls, decision, the gate's checks, orders and their events."""
    if prompt:
        from cli.prompts import print_prompts

        print_prompts(cycle_id)
        return
    with connected() as connection, connection.sessions() as session:
        cycle = session.get(DecisionCycle, cycle_id)
        if cycle is None:
            raise OperatorError(f"there is no cycle {cycle_id}; `okxbot cycles` lists them")
        orders = session.scalars(select(Order).where(Order.cycle_id == cycle_id).order_by(Order.id)).all()
        found = _plain(cycle) | {
            "screener": [_plain(r) for r in session.scalars(_of(ScreenerLog, cycle_id))],
            "model_calls": [_plain(r) for r in session.scalars(_of(LlmCall, cycle_id))],
            "verdicts": [
                {k: v for k, v in _plain(r).items() if k != "given"}
                for r in session.scalars(_of(RiskVerdict, cycle_id))
            ],
            "orders": [
                _plain(order)
                | {
                    "events": [
                        _plain(e)
                        for e in session.scalars(
                            select(OrderEvent).where(OrderEvent.order_id == order.id).order_by(OrderEvent.id)
                        )
                    ]
                }
                for order in orders
            ],
            "trades": [_plain(r) for r in session.scalars(_of(Trade, cycle_id))],
        }
    if json_:
        print(json.dumps(found, indent=2))
        return
    for line in cycle_lines(found):
        print(line)


def _of(table: Any, cycle_id: int) -> Any:
    return select(table).where(table.cycle_id == cycle_id).order_by(table.id)


def _plain(row: Any) -> dict[str, Any]:
    """A row as JSON: numbers of money as strings, times as ISO."""
    found: dict[str, Any] = {}
    for column in row.__table__.columns:
        value = getattr(row, column.key)
        if value is None or isinstance(value, bool | int | float | str | list | dict):
            found[column.key] = value
        elif hasattr(value, "isoformat"):
            found[column.key] = value.isoformat().replace("+00:00", "Z")
        else:
            found[column.key] = str(value)
    return found


MONEY = (
    "contracts", "max_contracts", "entry_px", "exit_px", "exited_contracts", "pnl", "fees", "funding", "net_pnl",
    "risk", "r_multiple", "confidence",
)  # fmt: skip


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Decimals as JSON numbers, for reading; the exact digits are in the database."""
    return {k: float(v) if k in MONEY and v is not None else v for k, v in row.items()}
