"""`okxbot standins`: become the stand-ins for Anthropic, Perplexity and Telegram."""

import os
import sys


def run_standins(port: int, faults: list[str]) -> None:
    """Replace this process by them; they end with Ctrl-C."""
    arguments = ["--port", str(port), *(part for name in faults for part in ("--fault", name))]
    os.execv(sys.executable, [sys.executable, "-m", "standins", *arguments])
