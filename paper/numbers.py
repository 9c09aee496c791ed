"""Decimals on the wire: OKX sends and takes numbers as plain strings, and blank means absent."""

import re
from decimal import Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
# Every amount of money that moves is rounded to this step once, so that sums of amounts stay exact.
MONEY_STEP = Decimal("1E-12")
PRICE_STEP = Decimal("1E-10")
# Python's Decimal and int would take underscores and any script's digits, too.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"-?[0-9]{1,19}")


def text(value: Decimal | None) -> str:
    """Plain notation without exponent or trailing zeros; blank for None."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    return format(value.normalize(), "f")


def parse(value: object) -> Decimal | None:
    """A finite decimal from a wire value. Raises ValueError for anything else than a number or blank."""
    if value is None or value == "":
        return None
    shown = str(value)
    if isinstance(value, bool) or len(shown) > 64 or not _NUMBER.fullmatch(shown):
        raise ValueError("not a number")
    number = Decimal(shown)
    if abs(number.adjusted()) > 18:
        raise ValueError("not a number of sensible size")
    return number


def whole(value: str) -> int:
    """An integer as ids and times are: up to 19 digits. Raises ValueError."""
    if not _WHOLE.fullmatch(value):
        raise ValueError("not a whole number")
    return int(value)


def money(value: Decimal) -> Decimal:
    """Round an amount of money to the ledger's step."""
    return value.quantize(MONEY_STEP)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step`."""
    return (value // step) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return value % step == 0
