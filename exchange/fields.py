"""Fields of OKX rows: all numbers are strings, and "" means not applicable. Nothing is invented for a blank.

Each function raises ReadFailed naming the row and the field when a required value is blank or senseless.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from exchange.errors import ReadFailed
from trading.clock import from_ms

Row = dict[str, Any]


def text(row: Row, name: str) -> str:
    """The field as text, "" when absent or null. Raises ReadFailed for what is no row."""
    if not isinstance(row, dict):
        raise ReadFailed(f"a row is {type(row).__name__}, not an object")
    value = row.get(name)
    return "" if value is None else str(value)


def required_text(row: Row, name: str, what: str) -> str:
    value = text(row, name)
    if not value:
        raise ReadFailed(f"{what}: missing field {name}")
    return value


def optional_decimal(row: Row, name: str, what: str) -> Decimal | None:
    """None when blank."""
    value = text(row, name)
    return decimal_of(value, name, what) if value else None


def required_decimal(row: Row, name: str, what: str) -> Decimal:
    return decimal_of(required_text(row, name, what), name, what)


def decimal_of(value: str, name: str, what: str) -> Decimal:
    """A finite Decimal from text."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ReadFailed(f"{what}: field {name} is not a number") from None
    if not number.is_finite():
        raise ReadFailed(f"{what}: field {name} is not finite")
    return number


def flag(row: Row, name: str) -> bool:
    """OKX writes "true"/"false" in orders, real booleans elsewhere; blank is false."""
    return text(row, name).lower() == "true"


def required_time(row: Row, name: str, what: str) -> datetime:
    return time_of(required_text(row, name, what), name, what)


def time_of(value: str, name: str, what: str) -> datetime:
    """A time from milliseconds as text."""
    try:
        if value.isdecimal():
            return from_ms(value)
    except (ValueError, OverflowError, OSError):
        pass  # a number, but of no time that can be
    raise ReadFailed(f"{what}: field {name} is not a millisecond timestamp")


def optional_time(row: Row, name: str, what: str) -> datetime | None:
    return required_time(row, name, what) if text(row, name) else None
