"""The four answers a check can give, in one shape. `missing` is a refusal: no number is invented."""

from decimal import Decimal

from trading.gate.verdict import CheckResult, Effect, Refusal


def passed(name: Refusal, value: str, limit: str) -> CheckResult:
    return CheckResult(name=name, effect=Effect.PASS, value=value, limit=limit)


def rejected(name: Refusal, value: str, limit: str, reason: str) -> CheckResult:
    return CheckResult(name=name, effect=Effect.REJECT, value=value, limit=limit, reason=reason)


def missing(name: Refusal, limit: str, what: str) -> CheckResult:
    """`what` names the input that was not there."""
    return rejected(name, "missing", limit, f"{what} is not known")


def cut(name: Refusal, value: str, limit: str, reason: str, contracts: Decimal) -> CheckResult:
    """`contracts` is the size that is left."""
    return CheckResult(name=name, effect=Effect.CUT, value=value, limit=limit, reason=reason, size_contracts=contracts)


def number(value: Decimal, places: int = 2) -> str:
    """`value` for people: at most `places` decimals, no exponent, no trailing zeros."""
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(value: Decimal) -> str:
    """A price or a size, every digit, no exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
