"""A model that has gone wrong: its answer with one to four parts made hostile, or none at all of what was asked.

Fields gone, of another type, of any size; text cut off, wrapped, with numbers no JSON has; characters no database
keeps. What is left whole may still be a good answer: hostile models look like good ones most of the time.
"""

import json
import random
from typing import Any

PARTS: list[Any] = [
    None, True, -1, 0, 1e308, -1e308, 1e-308, 10**30, "NaN", "", "x" * 5000, [], {}, [[]], {"a": {}}, "DOGE-USDT-SWAP",
    "OPEN_LONG", "HOLD", "ADD", "\ud800", "\x00", "'; DROP TABLE orders; --", 125, 0.0000001, 3.5, 29_900.1,
]  # fmt: skip


def hostile(dice: random.Random, answer: dict[str, Any]) -> str:
    """The text of a hostile answer; the same dice give the same text."""
    changed = dict(answer)
    for _ in range(dice.randint(1, 4)):
        name = dice.choice([*answer, "leverage", "__proto__"])
        match dice.randrange(4):
            case 0:
                changed.pop(name, None)
            case 1:
                changed[name] = dice.uniform(-10, 100_000)
            case _:
                changed[name] = dice.choice(PARTS)
    text = json.dumps(changed)
    match dice.randrange(12):
        case 0:
            return text[: dice.randrange(len(text))]
        case 1:
            return text.replace("3.5", dice.choice(["NaN", "Infinity", "1e999", "0x10", "3,5"]))
        case 2:
            return f"Sure! ```json\n{text}\n```"
        case _:
            return text
