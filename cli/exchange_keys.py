"""`okxbot exchange keys` and `switches`: API keys of the exchange that stands alone, and what can be set either way."""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cli.exchange import alone_folder
from paper.errors import StartRefused
from paper.store.credentials import create_key, load_or_create, stored_keys
from paper.switches import SWITCHES
from runtime.errors import OperatorError, file_trouble


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def print_keys(data: str) -> None:
    """Name, account, permissions and file of every key; nothing secret."""
    if data and not Path(data).expanduser().is_dir():
        raise OperatorError(f"--data {data}: there is no such folder")
    folder = alone_folder(data)
    table = Table(box=None, pad_edge=False)
    for title in ("key", "account", "permissions", "file"):
        table.add_column(title, no_wrap=True)
    try:
        first = load_or_create(folder / "account.json")
        table.add_row("account", first.uid, first.permissions, str(folder / "account.json"))
        for name, key in stored_keys(folder).items():
            table.add_row(name, key.uid, key.permissions, str(folder / "keys" / f"{name}.json"))
    except StartRefused as refusal:
        raise OperatorError(str(refusal)) from None
    _console().print(table)


def make_key(name: str, *, permissions: str, account: str, data: str) -> None:
    """Make a key and print it as JSON. A running exchange takes it at once; a new account is funded on first use."""
    folder = alone_folder(data)
    try:
        with file_trouble("write a key in", folder):
            path: Path = create_key(folder, name, permissions, account)
    except StartRefused as refusal:
        raise OperatorError(str(refusal)) from None
    print(json.dumps(json.loads(path.read_text()), indent=2))


def print_switches() -> None:
    """What OKX leaves open: name, values with the default first, what it decides, what is known."""
    table = Table(box=None, pad_edge=False)
    for title in ("switch", "values (default first)", "decides", "known"):
        table.add_column(title)
    for name, switch in SWITCHES.items():
        values = switch.allowed if switch.values else f"{switch.default} ({switch.allowed})"
        table.add_row(name, values, switch.about, switch.source)
    _console().print(table)
