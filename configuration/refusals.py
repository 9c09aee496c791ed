"""A wrong setting as one line: its name, what is allowed, and what was given unless it may be a secret."""

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

_BOUNDS = (("gt", "above"), ("ge", "from"), ("lt", "below"), ("le", "up to"))


class SettingsError(ValueError):
    """Wrong settings; `str()` is one line per key, fit to show to the operator."""


def refusal_line(item: Any, fields: Mapping[str, FieldInfo], mode: str) -> str:
    """One pydantic error as `KEY: what is allowed`."""
    if not item["loc"]:
        return str(item["msg"].removeprefix("Value error, "))
    name = str(item["loc"][0])
    if item["type"] == "missing":
        return f"{name.upper()}: is required by TRADING_MODE={mode}"
    if not item["msg"].startswith("Input should be "):  # a rule of our own, in its own words
        message = item["msg"].removeprefix("Value error, ")
        return f"{name.upper()}: {message[0].lower()}{message[1:]}"
    secret = "Secret" in str(fields[name].annotation)
    return f"{name.upper()}: must be {_allowed(item, fields[name])}" + ("" if secret else f", not {item['input']!r}")


def _allowed(item: Any, field: FieldInfo) -> str:
    if item["type"] == "literal_error":
        return str(item["ctx"]["expected"].replace("'", ""))
    if item["type"] == "bool_parsing":
        return "true or false"
    if not item["type"].startswith(("int", "decimal", "float", "finite", "greater", "less")):
        return str(item["msg"].removeprefix("Input should be "))
    whole = item["type"].startswith("int") or "int" in str(field.annotation)
    bounds = [
        f"{words} {getattr(limit, name):,}"
        for name, words in _BOUNDS
        for limit in field.metadata
        if getattr(limit, name, None) is not None
    ]
    return " ".join(["a whole number" if whole else "a number", *bounds])
