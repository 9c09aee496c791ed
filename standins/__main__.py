"""`python -m standins` (`okxbot standins`): all stand-ins until Ctrl-C, so that the whole bot runs without a key.

Prints the settings that make a bot talk to them, then one line for each request and each message of the bot. Exit 2
with one line when it cannot start.
"""

import argparse
import json
import random
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from standins import minds
from standins.anthropic_api import MENU, AnthropicStandin
from standins.hostile import hostile
from standins.perplexity_api import PerplexityStandin
from standins.server import Fault
from standins.telegram_api import TOKEN, TelegramStandin

ENDING = {signal.SIGINT, signal.SIGTERM}


class Misused(ValueError):
    """The command line makes no sense; `str()` says why."""


def order(ordered: list[str], seed: int) -> Callable[[dict[str, Any]], Fault | None]:
    """Faults as `NAME` or `NAME=PROBABILITY`, the first that strikes. Raises Misused."""
    chances: list[tuple[Fault, float]] = []
    for item in ordered:
        name, sign, share = item.partition("=")
        try:
            chance = float(share) if sign else 1.0
        except ValueError:
            chance = -1.0
        if name not in MENU or not 0 <= chance <= 1:
            raise Misused(f"--fault {item}: write NAME or NAME=PROBABILITY (0 to 1); names: {', '.join(MENU)}")
        chances.append((MENU[name], chance))
    dice = random.Random(seed)
    return lambda _body: next((fault for fault, chance in chances if dice.random() < chance), None)


def main(arguments: list[str]) -> int:
    """Run until a signal."""
    parser = argparse.ArgumentParser(
        prog="okxbot standins", description="Stand-ins for Anthropic, Perplexity, Telegram."
    )
    parser.add_argument("--port", type=int, default=8070, help="first of three ports; 0 picks free ones")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=PROBABILITY]", help="of Anthropic's")
    parser.add_argument("--hostile", type=float, default=0, metavar="PROBABILITY", help="of an answer gone wrong")
    parser.add_argument("--seed", type=int, default=1, help="of the faults' dice")
    given = parser.parse_args(arguments)
    # Before any thread starts: they all leave the signals to the one that waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        strike = order(given.fault, given.seed)
        if not 0 <= given.hostile <= 1:
            raise Misused(f"--hostile {given.hostile:g}: must be from 0 to 1")
        if not 0 <= given.port <= 65533:
            raise Misused(f"--port {given.port}: must be from 0 to 65533")
        ports = [given.port + n if given.port else 0 for n in range(3)]
        with ExitStack() as running:
            anthropic = running.enter_context(AnthropicStandin(say=_told(given.hostile, given.seed), port=ports[0]))
            perplexity = running.enter_context(PerplexityStandin(port=ports[1]))
            telegram = running.enter_context(TelegramStandin(ports[2]))
            anthropic.strike = strike
            telegram.on_said = lambda said: print(f"-- telegram, to {said.chat_id}:\n{said.text}", flush=True)
            print(f"export ANTHROPIC_BASE_URL={anthropic.url} ANTHROPIC_API_KEY={anthropic.key}")
            print(f"export PERPLEXITY_BASE_URL={perplexity.url} PERPLEXITY_API_KEY={perplexity.key}")
            print(f"export TELEGRAM_BASE_URL={telegram.url} TELEGRAM_BOT_TOKEN={TOKEN} TELEGRAM_ADMIN_IDS=1")
            print("# In another terminal: paste these, then `make run`. Ctrl-C ends the stand-ins.", flush=True)
            signal.sigwait(ENDING)
    except (Misused, OSError) as trouble:
        print(f"okxbot: stand-ins: {trouble}", file=sys.stderr)
        return 2
    return 0


def _told(share: float, seed: int) -> Callable[[dict[str, Any]], str]:
    """Opinions, that share of them gone wrong, each with its beginning on the terminal."""
    dice = random.Random(seed)

    def tell(body: dict[str, Any]) -> str:
        answer = minds.answer(body)
        said = hostile(dice, answer) if dice.random() < share else json.dumps(answer)
        print(f"-- {body['model']}: {said[:160]}", flush=True)
        return said

    return tell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
