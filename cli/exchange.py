"""`okxbot exchange`: the paper exchange alone, in this process, and the list of its faults."""

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from paper.faults import MENU
from runtime.errors import OperatorError, file_trouble
from runtime.home import Home
from settings import load_settings


def alone_folder(data: str) -> Path:
    """Where the exchange that stands alone keeps its state: `data`, or a folder in the home."""
    folder = Path(data).expanduser() if data else Home(load_settings().okxbot_home).folder / "exchange-alone"
    try:
        with file_trouble("create", folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OperatorError as trouble:
        raise OperatorError(str(trouble).replace("OKXBOT_HOME", "--data" if data else "OKXBOT_HOME")) from None
    return folder


def run_exchange(
    *, port: int, admin_port: int, market: str, speed: str, start: str, seed: int, data: str, more: list[str]
) -> None:
    """Become the exchange. Its state is kept apart from that of the bot's own exchange; faults may be ordered."""
    arguments = ["--port", str(port), "--admin-port", str(admin_port), "--admin", "--market", market]
    arguments += ["--speed", speed or ("1" if market == "okx" or start == "now" else "60")]
    arguments += ["--start", start, "--seed", str(seed)]
    if market == "okx":
        settings = load_settings()
        arguments += ["--okx-rest", settings.okx_rest_url, "--okx-ws", settings.okx_ws_url]
    arguments += ["--data", str(alone_folder(data)), *more]
    os.execv(sys.executable, [sys.executable, "-m", "paper", *arguments])


def print_faults() -> None:
    """The menu: name, what it strikes, what happens."""
    table = Table(box=None, pad_edge=False)
    for title in ("fault", "strikes", "placed", "seconds", "what happens"):
        table.add_column(title, no_wrap=title != "what happens")
    for name, entry in MENU.items():
        seconds = f"{entry.seconds:g}" if entry.seconds else ""
        table.add_row(name, entry.kind, "either" if entry.either else "", seconds, entry.what)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(
        "\nOrder one on the admin port: curl -d "
        '\'{"name": "51149", "placed": true, "path": "/trade/order", "probability": 0.1, "count": 0}\''
        " http://127.0.0.1:8081/paper/faults",
        soft_wrap=True,
    )
