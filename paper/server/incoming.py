"""What comes in on either face: JSON of a depth that every later step can take, and the time a request is good for."""

import orjson

from paper.errors import OkxError, bad_parameter
from paper.numbers import whole

# OKX's own requests are three deep. Journal and ledger wrap what they write, and a JSON writer's depth is limited.
DEEPEST = 32


def read_json(raw: bytes | str) -> object:
    """Parse a request. Raises ValueError for what is not JSON or nested too deep."""
    parsed: object = orjson.loads(raw)
    opened = raw.count(b"[") + raw.count(b"{") if isinstance(raw, bytes) else raw.count("[") + raw.count("{")
    if opened > DEEPEST and _deeper(parsed, DEEPEST):
        raise ValueError("nested too deep")
    return parsed


def _deeper(value: object, levels: int) -> bool:
    """Whether arrays and objects are nested more than `levels` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner)


def check_expiry(given: str, wall_ms: int) -> None:
    """Refuse (50036) what came after its `expTime`, ms; blank is without end."""
    if not given:
        return
    try:
        expires = whole(given)
    except ValueError:
        raise bad_parameter("expTime") from None
    if expires < wall_ms:
        raise OkxError("50036")
