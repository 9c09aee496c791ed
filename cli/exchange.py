"""`okxbot exchange`: the paper exchange alone, in this process."""

import os
import sys
from pathlib import Path

from runtime.errors import file_trouble
from runtime.home import Home
from settings import load_settings


def run_exchange(*, port: int, market: str, speed: str, seed: int, data: str) -> None:
    """Become the exchange. Its state is kept apart from that of the bot's own exchange."""
    folder = Path(data).expanduser() if data else Home(load_settings().okxbot_home).folder / "exchange-alone"
    with file_trouble("create", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = ["--port", str(port), "--market", market, "--speed", speed, "--seed", str(seed), "--data", str(folder)]
    os.execv(sys.executable, [sys.executable, "-m", "paper", *arguments])
