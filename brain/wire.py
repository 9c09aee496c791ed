"""JSON to and from models: one canonical form for hashing, one strict and bounded way to read an answer.

An answer is hostile until parsed: not JSON, not an object, numbers without end, nested without end, or characters
PostgreSQL cannot keep (NUL, lone surrogates; replaced by U+FFFD, in requests too, so that what is sent is what is
stored). Everything wrong raises `Malformed`.
"""

import hashlib
import json
import math
import re
from typing import Any, NoReturn

MAX_BODY_CHARS = 1_000_000
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Malformed(ValueError):
    """Not the JSON that was asked for. The message never quotes the answer."""


def canonical(value: dict[str, Any]) -> bytes:
    """The one byte form of a JSON object: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def sha256(value: dict[str, Any]) -> str:
    """Hex digest of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def storable(value: Any) -> Any:
    """`value` with the characters replaced that neither UTF-8 nor PostgreSQL's jsonb can hold."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("a number is too large")
    return number


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`, made storable. Raises Malformed."""
    if len(text) > MAX_BODY_CHARS:
        raise Malformed(f"longer than {MAX_BODY_CHARS} characters")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        value = storable(value)
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed("not JSON") from error
    except RecursionError as error:
        raise Malformed("nested too deeply") from error
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value
