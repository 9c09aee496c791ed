"""What a default day of Claude costs: 288 cycles of one instrument, by the bot's own ledger.

The whole bot runs in lockstep on the synthetic market against the stand-ins; prompts, screening, cache marks, budget
and prices are the real ones. Tokens are counted from the recorded requests at three characters each (the tokenizer is
not public), with 400 tokens of thought an answer of Opus and 150 one of Haiku. What the stand-ins say is made up, and
with it how often Haiku lets a candle pass and how long positions are held: Opus's takes one signal in three and closes
after an hour. Both shares are figures of their own, for the cost is nearly in proportion to how often Opus is asked.

`asking-opus-always` is what the same day would cost without screening and without a cache: the same prompts, every
cycle, at the full price of their input.
"""

import re
import time
import zlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg2

from bench.registry import Measured, figure
from bench.whole_bot import first_decision_s, whole_bot
from brain import costs
from runtime.errors import OperatorError
from standins import minds
from standins.anthropic_api import AnthropicStandin

CYCLES = 288
GIVE_UP_S = 900.0
SLOT = re.compile(r"-SWAP at (\d{4}-\d\d-\d\d \d\d:\d\d) UTC, regime")
OPUS_THINKS, HAIKU_THINKS = 400, 150

_DONE = "SELECT count(*) FROM decision_cycles WHERE stage = 'done'"
_SPENT = "SELECT sum(cost_usd) FROM llm_calls"
_OPUS = """
SELECT count(*), sum(input_tokens), sum(cache_write_tokens), sum(cache_read_tokens), sum(output_tokens)
FROM llm_calls WHERE purpose = 'decide' AND outcome = 'ok'
"""
_SCREENED = """
SELECT count(*) FILTER (WHERE bypass IS NULL AND passed), count(*) FILTER (WHERE bypass IS NULL),
       count(*) FILTER (WHERE bypass = 'open position')
FROM screener_logs
"""


def _ordinary_day(body: dict[str, Any]) -> dict[str, Any]:
    """The stand-in's answers, less eager: one entry in three, out after an hour."""
    said, text = minds.answer(body), minds.said_to(body)
    slot = SLOT.search(text)
    # By the moment, not by the prompt's words: two wordings are then compared on the same day.
    if str(said.get("action", "")).startswith("OPEN") and slot and zlib.crc32(slot[1].encode()) % 3:
        return said | {"action": "HOLD", "size_pct": 0, "stop_loss": None, "take_profit": None, "invalidation": None}
    if said.get("action") == "HOLD" and re.search(r"held (\d+ d )?\d+ h", text):
        return said | {"action": "CLOSE"}
    return said


class _Thinking(AnthropicStandin):
    """Each model with thoughts of its own length, and a cache that forgets by the market's clock.

    In lockstep a day is over before the wall's hour is. A request that shows no market is of the slot last shown.
    """

    slot = 0.0

    def market_time(self, body: dict[str, Any]) -> float:
        shown = SLOT.search(minds.said_to(body))
        if shown:
            self.slot = datetime.fromisoformat(shown[1]).timestamp()
        return self.slot

    def answer(self, body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        self.thinking_tokens = OPUS_THINKS if "opus" in body["model"] else HAIKU_THINKS
        return super().answer(body, fields)


@figure("model-costs")
def model_costs() -> Iterator[Measured]:
    """USD of the day, USD of asking always, their ratio, the cached share, and how often Opus was asked and why."""
    with _Thinking(say=_ordinary_day) as api:
        api.chars_per_token, api.now = 3, api.market_time
        settings = {
            "ANALYST": "claude", "ANTHROPIC_API_KEY": api.key, "ANTHROPIC_BASE_URL": api.url,
            "PAPER_SPEED": "lockstep", "INSTRUMENTS": "BTC-USDT-SWAP", "LLM_DAILY_BUDGET_USD": "1000",
        }  # fmt: skip
        began = time.monotonic()
        with whole_bot(settings) as bot:
            first_decision_s(bot, began)
            connection = psycopg2.connect(bot.exports()["DATABASE_URL"])
            connection.autocommit = True
            with connection.cursor() as cursor:
                _wait(cursor)
                (spent,) = _row(cursor, _SPENT)
                asked, plain, written, read, out = _row(cursor, _OPUS)
                passed, screened, held = _row(cursor, _SCREENED)
                (cycles,) = _row(cursor, _DONE)
            connection.close()
    day = spent * CYCLES / cycles
    tokens = plain + written + read
    usage = costs.Usage(input=round(tokens / asked), output=round(out / asked))
    always = costs.cost("claude-opus-5-5", usage) * CYCLES
    yield Measured("default-day", round(float(day), 3), "USD", cycles)
    yield Measured("asking-opus-always", round(float(always), 3), "USD", CYCLES)
    yield Measured("default-day-share", round(float(day / always * 100), 1), "%", cycles)
    yield Measured("opus-input-cached", round(float(Decimal(read) / tokens * 100), 1), "%", asked)
    yield Measured("opus-asked", round(asked / cycles * 100, 1), "%", cycles)
    yield Measured("screener-passed", round(passed / max(1, screened) * 100, 1), "%", screened)
    yield Measured("position-open", round(held / cycles * 100, 1), "%", cycles)


def _wait(cursor: "psycopg2.extensions.cursor") -> None:
    """Until the day is over. Raises OperatorError when the market does not move on."""
    until = time.monotonic() + GIVE_UP_S
    while _row(cursor, _DONE)[0] < CYCLES:
        if time.monotonic() > until:
            raise OperatorError(f"the day was not over within {GIVE_UP_S:.0f} s")
        time.sleep(0.5)


def _row(cursor: "psycopg2.extensions.cursor", query: str) -> tuple[Any, ...]:
    cursor.execute(query)
    row = cursor.fetchone()
    assert row is not None
    return tuple(row)
