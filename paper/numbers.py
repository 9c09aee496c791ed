"""Decimals on the wire: OKX sends and takes numbers as plain strings, and blank means absent."""

from decimal import Decimal, InvalidOperation

ZERO = Decimal(0)
ONE = Decimal(1)
# Every amount of money that moves is rounded to this step once, so that sums of amounts stay exact.
MONEY_STEP = Decimal("1E-12")
PRICE_STEP = Decimal("1E-10")


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
    if isinstance(value, bool):
        raise ValueError("not a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 18:
        raise ValueError("not a finite number of sensible size")
    return number


def money(value: Decimal) -> Decimal:
    """Round an amount of money to the ledger's step."""
    return value.quantize(MONEY_STEP)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of `step`."""
    return (value // step) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    return value % step == 0
