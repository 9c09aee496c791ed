"""`okxbot standins`: become the stand-ins for Anthropic, Perplexity and Telegram."""

import os
import sys


def run_standins(port: int, faults: list[str], hostile: float, seed: int) -> None:
    """Replace this process by them; they end with Ctrl-C."""
    arguments = ["--port", str(port), "--hostile", str(hostile), "--seed", str(seed)]
    arguments += [part for name in faults for part in ("--fault", name)]
    os.execv(sys.executable, [sys.executable, "-m", "standins", *arguments])
