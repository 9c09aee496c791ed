"""`okxbot halt`, `resume`, `flatten`: the owner's hand. Straight to PostgreSQL and the exchange, no worker needed."""

import getpass
import logging
from typing import Annotated, Any

import structlog
import typer

from cli.connection import Connection, connected
from exchange.client import OkxExchange
from exchange.errors import CredentialsMissing
from execution import control
from execution.context import ExecutionContext
from execution.errors import Refused
from execution.flatten import FlattenAnswer
from runtime.errors import OperatorError

app = typer.Typer()


@app.command()
def halt(
    reason: Annotated[
        list[str] | None, typer.Argument(help="Stored with the halt; several words need no quotes.")
    ] = None,
) -> None:
    """Allow no new entry from now on; open positions keep their stops and may still be closed."""
    with connected() as connection:
        answer = control.halt(
            execution_context(connection), reason=" ".join(reason or []) or "by hand", actor=actor(), channel="cli"
        )
    state = "was halted already" if answer.kept else "halted"
    print(f"{state} ({answer.kind}): {answer.reason}{answer.beside}")
    for cl_ord_id in answer.in_flight:
        print(f"already on its way when the halt was committed: {cl_ord_id}")
    if connection.stopped:
        print("the bot is stopped; it will be halted when `okxbot up` starts it")


@app.command()
def resume() -> None:
    """Lift the halt and re-base the limit that was breached."""
    with connected() as connection:
        try:
            lifted = control.resume(execution_context(connection), actor=actor(), channel="cli")
        except Refused as refusal:
            raise OperatorError(str(refusal)) from None
    if connection.stopped:
        print(f"lifted: {lifted}; the bot is stopped and will trade when `okxbot up` starts it")
    else:
        print(f"trading again; lifted: {lifted}")


@app.command()
def flatten(
    all_: Annotated[bool, typer.Option("--all", help="Everything on the account, also what is not ours.")] = False,
) -> None:
    """Halt, cancel and close everything of ours; answers when the exchange shows flat."""
    with connected() as connection:
        if connection.stopped and connection.plan.paper:
            raise OperatorError(
                "the paper exchange is stopped together with the bot, so nothing can be closed; `okxbot up` starts "
                "both (`okxbot halt` before keeps it from opening anything)"
            )
        context = execution_context(connection, needs_exchange=True)
        try:
            answer = control.flatten(context, all_=all_, actor=actor(), channel="cli")
        except Refused as refusal:
            raise OperatorError(str(refusal)) from None
    for line in _lines(answer):
        print(line)
    if not answer.flat:
        raise typer.Exit(1)


def _lines(answer: FlattenAnswer) -> list[str]:
    lines = [f"closed {what}" for what in answer.closed] + [f"cancelled {what}" for what in answer.canceled]
    lines += [f"not ours, left alone: {what} (--all closes it, too)" for what in answer.untouched]
    if answer.flat:
        return [*lines, "halted, and the exchange shows flat; `okxbot resume` lets the bot trade again"]
    return [*lines, "halted, but NOT flat; the exchange still shows: " + ", ".join(answer.left)]


def execution_context(connection: Connection, *, needs_exchange: bool = False) -> ExecutionContext:
    """What acting needs, from the command line. Raises OperatorError without the keys it needs."""
    # A command answers in its own words; the audit log keeps what was done.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        exchange = OkxExchange.from_settings(connection.settings)
    except CredentialsMissing as error:
        if needs_exchange:
            raise OperatorError(str(error)) from None
        exchange = OkxExchange.from_settings(connection.settings, public_only=True)
    return ExecutionContext(
        sessions=connection.sessions,
        exchange=exchange,
        clock=connection.clock,
        settings=connection.settings,
        account_id=connection.account_id,
        order_prefix=connection.order_prefix,
        send=_nowhere,
    )


def _nowhere(_task: str, _queue: str, _args: list[Any]) -> bool:
    """The command line sends no messages: the outbox keeps them for the sweep."""
    return False


def actor() -> str:
    """Who gives the order, for the audit log."""
    return getpass.getuser()
