"""Whether a reflection delays decisions: the whole bot with a model that takes its time to reflect.

Opus decides (a stand-in, so that no key is needed and no network is measured) on the synthetic market at 60 times the
wall's speed. Once a trade has closed, decisions are timed for a minute; then a person asks for a reflection, and they
are timed for the minute it is being thought about. From the close of the deciding candle, by the exchange's own clock.
"""

import json
import subprocess
import sys
import threading
import time
from typing import Any

from bench.registry import Measured, distribution, figure
from bench.whole_bot import LOOSE, Running, latencies, whole_bot
from runtime.errors import OperatorError
from standins import minds
from standins.anthropic_api import HANG, AnthropicStandin
from standins.server import Fault
from trading.clock import wall_now

MINUTE_S = 60
CLOSE_WITHIN_S = 300


@figure("reflection-delays")
def reflection_delays() -> list[Measured]:
    """Close to decision without a reflection, and while one is thought about."""
    asked = threading.Event()

    def strike(body: dict[str, Any]) -> Fault | None:
        if "changes" not in body["output_config"]["format"]["schema"]["properties"]:
            return None
        asked.set()
        return HANG

    with AnthropicStandin(say=minds.answer) as api:
        api.strike = strike
        settings = {
            "ANALYST": "claude", "ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url, "PAPER_SPEED": "60",
            "LLM_DAILY_BUDGET_USD": "1000", "REFLECTION_BUDGET_S": str(2 * MINUTE_S),
        }  # fmt: skip
        with whole_bot(LOOSE | settings) as bot:
            _until_a_trade_closes(bot)
            exports = bot.exports()
            began = wall_now()
            time.sleep(MINUTE_S)
            before = latencies(exports, [(began, wall_now())]).decision
            person = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "reflect"],
                env=bot.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                if not asked.wait(MINUTE_S):
                    raise OperatorError("the reflection was not asked for within a minute")
                began = wall_now()
                time.sleep(MINUTE_S)
                during = latencies(exports, [(began, wall_now())]).decision
            finally:
                person.kill()
                person.wait()
    if min(len(before), len(during)) < 2:
        raise OperatorError(f"{len(before)} decisions before and {len(during)} during the reflection are too few")
    return [
        distribution("close-to-decision-alone", before, "ms"),
        distribution("close-to-decision-while-reflecting", during, "ms"),
    ]


def _until_a_trade_closes(bot: Running) -> None:
    deadline = time.monotonic() + CLOSE_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if any(trade["closed_market_at"] for trade in _trades(bot)):
                return
        except OperatorError:
            pass
        time.sleep(2)
    raise OperatorError(f"no trade closed within {CLOSE_WITHIN_S} s")


def _trades(bot: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(bot.okxbot("trades", "--json"))
    return found
