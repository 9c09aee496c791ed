"""`okxbot orders`, `order settle`, `unlock`, `stop move`: single orders, locks and stops in the owner's hand.

What ends an unknown outcome or lifts a lock shows its evidence and asks before it acts.
"""

import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer
from sqlalchemy import case, select

from cli.connection import Connection, connected
from cli.control import actor, execution_context
from exchange.errors import ReadFailed
from execution import control, locks
from execution.context import ExecutionContext
from execution.errors import Refused
from models import Order
from runtime.errors import OperatorError
from trading.orders import OPEN_STATES, OrderState

app = typer.Typer()
order_app = typer.Typer(help="One order.", no_args_is_help=True)
stop_app = typer.Typer(help="The stop of an open position.", no_args_is_help=True)
app.add_typer(order_app, name="order")
app.add_typer(stop_app, name="stop")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reason = Annotated[str, typer.Option("--reason", help="Stored in the audit log.")]
UNRESOLVED = (OrderState.UNKNOWN, OrderState.SUBMITTING)


@app.command()
def orders(
    json_: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10000, help="How many.")] = 20,
) -> None:
    """Orders: unknown outcomes first, then open ones, then the newest."""
    with connected() as connection, connection.sessions() as session:
        urgency = case((Order.state.in_(UNRESOLVED), 0), (Order.state.in_(OPEN_STATES), 1), else_=2)
        rows = session.scalars(
            select(Order)
            .where(Order.account_id == connection.account_id)
            .order_by(urgency, Order.id.desc())
            .limit(limit)
        ).all()
        locked = locks.open_locks(session, connection.account_id)
    if json_:
        print(json.dumps([_plain(row) for row in rows], indent=2))
        return
    for row in rows:
        size = f"{row.sz_contracts:f}" if row.sz_contracts is not None else "all"
        why = f"  {row.last_code} {row.last_message or ''}".rstrip() if row.last_code not in (None, "", "0") else ""
        print(
            f"{row.created_at:%m-%d %H:%M:%S}  {row.state:<16} {row.inst_id:<15} {row.leg:<7} {row.side:<4} {size:>8}  "
            f"{row.cl_ord_id}{why}"
        )
    if not rows:
        print("no orders yet")
    for lock in locked:
        print(f"locked: {lock.inst_id} ({lock.reason}) since {lock.since:%m-%d %H:%M:%S}: {lock.detail}")


@order_app.command()
def settle(
    cl_ord_id: Annotated[str, typer.Argument(metavar="CLORDID")],
    reason: Reason,
    found: Annotated[
        bool | None, typer.Option("--found/--absent", help="Adopt what the exchange shows, or end it as never arrived.")
    ] = None,
    yes: Yes = False,
) -> None:
    """End an unknown outcome by your word. Shows what the exchange says, and asks."""
    if found is None:
        raise OperatorError("say --found or --absent")
    with connected() as connection:
        context = _with_exchange(connection)
        try:
            for line in control.evidence(context, cl_ord_id).lines:
                print(line)
            _confirm(f"settle {cl_ord_id} as {'found' if found else 'absent'}?", yes)
            state = control.settle(context, cl_ord_id, found=found, reason=reason, actor=actor(), channel="cli")
        except (Refused, ReadFailed) as refusal:
            raise OperatorError(str(refusal)) from None
    print(f"{cl_ord_id} is {state}")


@app.command()
def unlock(instrument: str, reason: Reason, yes: Yes = False) -> None:
    """Lift the locks of an instrument. Reconciliation locks again whatever it still finds."""
    with connected() as connection:
        context = execution_context(connection)
        with connection.sessions() as session:
            open_locks = locks.open_locks(session, connection.account_id, instrument)
        if not open_locks:
            raise OperatorError(f"{instrument} is not locked")
        for lock in open_locks:
            print(f"{lock.reason} since {lock.since:%m-%d %H:%M:%S}: {lock.detail}")
        try:
            _confirm(f"unlock {instrument}?", yes)
            lifted = control.unlock(context, instrument, reason=reason, actor=actor(), channel="cli")
        except Refused as refusal:
            raise OperatorError(str(refusal)) from None
    print(f"unlocked {instrument}: {', '.join(lifted)}")


@stop_app.command()
def move(
    instrument: str,
    to: Annotated[str | None, typer.Option("--to", metavar="PRICE", help="Price, USDT.")] = None,
    break_even: Annotated[bool, typer.Option("--break-even", help="Where closing costs nothing, fees paid.")] = False,
    trail: Annotated[
        str | None, typer.Option("--trail", metavar="PERCENT", help="So far behind the last price, once.")
    ] = None,
) -> None:
    """Move a stop towards less risk, by one amendment."""
    if (to is not None) + break_even + (trail is not None) != 1:
        raise OperatorError("say exactly one of --to PRICE, --break-even, --trail PERCENT")
    price, distance = _number("--to", to), _number("--trail", trail)
    with connected() as connection:
        context = _with_exchange(connection)
        try:
            moved = control.move_stop(
                context, instrument, to=price, break_even=break_even, trail_pct=distance, actor=actor(), channel="cli"
            )
        except (Refused, ReadFailed) as refusal:
            raise OperatorError(str(refusal)) from None
    print(f"the stop of {moved.inst_id} moved from {moved.before} to {moved.now}")


def _with_exchange(connection: Connection) -> ExecutionContext:
    if connection.stopped and connection.plan.paper:
        raise OperatorError("the paper exchange is stopped together with the bot; `okxbot up` starts both")
    return execution_context(connection, needs_exchange=True)


def _number(option: str, given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        number = Decimal(given)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise OperatorError(f"{option}: {given!r} is not a positive number")
    return number


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise OperatorError("nobody can be asked here; say --yes")
    if not typer.confirm(question):
        raise OperatorError("nothing was changed")


def _plain(row: Order) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in row.__table__.columns:
        value = getattr(row, column.key)
        if value is None or isinstance(value, bool | int | str | dict):
            found[column.key] = value
        else:
            found[column.key] = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return found
