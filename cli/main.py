"""The command line `okxbot`.

Contract: anticipated trouble and misuse are one line on stderr and exit status 2, never a traceback; Ctrl-C ends a
command with status 130. Each command lives in a module of its own; they are imported when called, so that
`okxbot --help` is quick.
"""

import sys
from pathlib import Path
from typing import Literal

import typer
from typer.exceptions import TyperException

from runtime.errors import OperatorError
from settings import SettingsError

app = typer.Typer(
    name="okxbot",
    help="A trading bot for OKX perpetual swaps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def up(
    detach: bool = typer.Option(False, "--detach", "-d", help="Return once everything runs; end it with `down`."),
    seconds: float | None = typer.Option(
        None, "--for", min=1, help="Stop by itself so many seconds after everything is up."
    ),
) -> None:
    """Start the whole bot and show its live status; Ctrl-C ends everything in order."""
    from cli.up import run_up

    run_up(detach=detach, seconds=seconds)


@app.command()
def down() -> None:
    """Stop the bot of this home, whoever started it, and clean up after a crash."""
    from cli.down import run_down

    run_down()


@app.command()
def env() -> None:
    """Print the running bot's connection settings as shell exports (they hold passwords)."""
    from cli.env import print_environment

    print_environment()


exchange_app = typer.Typer(invoke_without_command=True)
app.add_typer(exchange_app, name="exchange")


@exchange_app.callback()
def exchange(
    context: typer.Context,
    port: int = typer.Option(8080, min=0, max=65535, help="Port to listen on; 0 picks a free one."),
    admin_port: int = typer.Option(8081, min=0, max=65535, help="Loopback port of ledger, audit and faults; 0 picks."),
    market: str = typer.Option("synthetic", help="synthetic, okx (live prices), or candle files (comma-separated)."),
    speed: str = typer.Option(
        "", help="Market seconds per wall second, or lockstep; default: 60, with okx or a start now 1."
    ),
    start: Literal["seed", "now"] = typer.Option(
        "seed", help="When a synthetic market begins: seed, or now, for clients with a clock."
    ),
    seed: int = typer.Option(1, min=0, help="Seed of the market and of the path inside a candle."),
    data: str = typer.Option("", help="Folder for its state; default: in the home folder, apart from the bot's."),
    instruments: str = typer.Option("", help="USDT swaps to list, comma-separated."),
    equity: str = typer.Option("", help="USDT of every new account; default: 10000."),
    patience: float | None = typer.Option(None, help="Seconds a client has for a whole request; default: 20."),
    idle: float | None = typer.Option(None, help="Seconds a socket may be without a message; default: 30."),
    switch: list[str] = typer.Option([], help="NAME=VALUE; `okxbot exchange switches` lists them."),
) -> None:
    """Run the paper exchange alone, for other clients."""
    if context.invoked_subcommand is not None:
        return
    from cli.exchange import run_exchange

    more = [part for item in switch for part in ("--switch", item)]
    more += ["--instruments", instruments] if instruments else []
    more += ["--equity", equity] if equity else []
    more += ["--patience", str(patience)] if patience is not None else []
    more += ["--idle", str(idle)] if idle is not None else []
    run_exchange(
        port=port, admin_port=admin_port, market=market, speed=speed, start=start, seed=seed, data=data, more=more
    )


@exchange_app.command("keys")
def exchange_keys(
    name: str = typer.Argument("", help="Name of a key to make; without one the keys are listed."),
    permissions: str = typer.Option("read_only,trade", help="read_only, or read_only,trade."),
    account: str = typer.Option("", help="uid of an account that exists; default: a new account."),
    data: str = typer.Option("", help="The exchange's folder, as given to `okxbot exchange --data`."),
) -> None:
    """Make API keys for the exchange that stands alone, or list them."""
    from cli.exchange_keys import make_key, print_keys

    if name:
        make_key(name, permissions=permissions, account=account, data=data)
    else:
        print_keys(data)


@exchange_app.command("switches")
def exchange_switches() -> None:
    """List what OKX's documentation leaves open and this exchange can do either way."""
    from cli.exchange_keys import print_switches

    print_switches()


@exchange_app.command("faults")
def exchange_faults() -> None:
    """List what the exchange can be told to do wrong."""
    from cli.exchange import print_faults

    print_faults()


@app.command()
def standins(
    port: int = typer.Option(8070, min=0, max=65533, help="First of three ports; 0 picks free ones."),
    fault: list[str] = typer.Option([], help="NAME or NAME=PROBABILITY, of Anthropic's stand-in; may be repeated."),
    hostile: float = typer.Option(0, min=0, max=1, help="Share of the models' answers gone wrong."),
    seed: int = typer.Option(1, help="Of the dice of both."),
) -> None:
    """Run stand-ins for Anthropic, Perplexity and Telegram: the whole bot without a key."""
    from cli.standins import run_standins

    run_standins(port, fault, hostile, seed)


@app.command()
def doctor() -> None:
    """Check everything that can be wrong, one line each with the mend."""
    from cli.doctor import run_doctor

    raise typer.Exit(run_doctor())


@app.command()
def clean(
    yes: bool = typer.Option(False, "--yes", help="Remove them; without it they are only shown."),
) -> None:
    """Remove databases whose home folder was deleted (only root's lie outside their home)."""
    from cli.clean import run_clean

    run_clean(yes=yes)


@app.command()
def backup(
    to: Path | None = typer.Option(None, help="Folder of the backups; default: backups in the home folder."),
    keep: int = typer.Option(14, min=1, help="So many of this account are kept, older ones removed."),
) -> None:
    """Write the bot's whole database into a checked file; the bot may run."""
    from cli.backup import run_backup

    run_backup(to=to, keep=keep)


@app.command()
def restore(
    file: Path = typer.Argument(help="A .dump made by `okxbot backup`, its .json beside it."),
) -> None:
    """Bring a backup back; the bot must be stopped. What is there is kept under another name."""
    from cli.backup import run_restore

    run_restore(file=file)


@app.command()
def bench(
    names: list[str] | None = typer.Argument(None, metavar="[NAME]…", help="Figures to measure; default: all."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object per figure."),
) -> None:
    """Measure the figures this project states about itself."""
    from cli.bench import run_bench

    run_bench(names or [], as_json=as_json)


def _mount_the_others(arguments: list[str]) -> None:
    """Status, show and control bring a `typer.Typer` named `app` each; not needed by the commands above."""
    own = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    own |= {group.name for group in app.registered_groups if group.name is not None}
    if arguments and arguments[0] in own:
        return
    from cli import control, costs, history, limits, logs, orders, playbook, reflect, replay, show, status

    for module in (status, show, logs, orders, control, limits, playbook, reflect, costs, replay, history):
        app.add_typer(module.app)


def main() -> None:
    """Entry point of the `okxbot` program."""
    _mount_the_others(sys.argv[1:])
    try:
        status = app(prog_name="okxbot", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except TyperException as misuse:
        sys.exit(_say_misuse(misuse))
    except (OperatorError, SettingsError) as trouble:
        for line in str(trouble).splitlines():
            print(f"okxbot: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader (head, less) had enough.
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say_misuse(misuse: TyperException) -> int:
    """A wrong option or argument: one line, too. Without a message its help has been shown already."""
    message = misuse.format_message()
    if message:
        context = getattr(misuse, "ctx", None)
        command = context.command_path if context is not None else "okxbot"
        print(f"okxbot: {message.rstrip('.')}; see `{command} --help`", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
