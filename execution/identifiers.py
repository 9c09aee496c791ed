"""Client order ids: what makes an order ours, and the same intent the same id.

prefix (of this database) + basis (what the order is for) + letter of the leg + attempt; alphanumeric, ≤ 32.
Bases: `c<cycle id>` for a decision's orders, `p<coin><opening time>` for a position's stops and closes.
"""

import re
import secrets
from datetime import datetime

from trading.clock import to_ms
from trading.orders import Leg

MAX_LENGTH = 32
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = {
    Leg.ENTRY: "E",
    Leg.ADD: "A",
    Leg.REDUCE: "R",
    Leg.CLOSE: "C",
    Leg.STOP: "S",
    Leg.FLATTEN: "F",
}
ATTACHED = "X"  # a stop that rides in an entry
_VALID = re.compile(r"[A-Za-z0-9]{1,32}")


def new_prefix() -> str:
    """Six characters for a new database: two bots on one account must not take each other's orders for theirs."""
    return "b" + "".join(secrets.choice(_DIGITS) for _ in range(5))


def cycle_basis(cycle_id: int) -> str:
    """Basis of the orders of one decision."""
    return f"c{_base36(cycle_id)}"


def position_basis(inst_id: str, opened_at: datetime) -> str:
    """Basis of the stops and closes of one position: instrument and market time of its opening."""
    coin = re.sub(r"[^A-Za-z0-9]", "", inst_id.split("-")[0])[:8].lower()
    return f"p{coin}{_base36(to_ms(opened_at))}"


def cl_ord_id(prefix: str, basis: str, leg: Leg, attempt: int = 0) -> str:
    """The id of one attempt at one leg. Raises ValueError if it does not fit OKX's rules."""
    return _checked(f"{prefix}{basis}{_LETTERS[leg]}{_base36(attempt)}")


def attached_id(entry_cl_ord_id: str) -> str:
    """Id of the stop that rides in the entry `entry_cl_ord_id`."""
    return _checked(f"{entry_cl_ord_id}{ATTACHED}")


def is_ours(identifier: str | None, prefix: str) -> bool:
    """Whether a clOrdId or algoClOrdId was made by this database."""
    return bool(identifier) and str(identifier).startswith(prefix)


def is_attached(algo_cl_ord_id: str, prefix: str) -> bool:
    """Whether it is a stop that rode in one of our entries."""
    return is_ours(algo_cl_ord_id, prefix) and algo_cl_ord_id.endswith(ATTACHED)


def _checked(identifier: str) -> str:
    if not _VALID.fullmatch(identifier):
        raise ValueError(f"not a valid client order id: {identifier!r}")
    return identifier


def _base36(number: int) -> str:
    if number < 0:
        raise ValueError("negative number in an identifier")
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if number == 0:
            return digits
