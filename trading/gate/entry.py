"""The entry a decision asks for, as the checks see it; each check in turn may cut its size."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from trading.decision import Action
from trading.gate.verdict import GateInput
from trading.sizing import requested_contracts

Direction = Literal["long", "short"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is about to be entered. A field is None where its input is missing; nothing stands in for it.

    `price` is the worst price expected in USDT: the limit, else the opposite live quote. `leverage` is what the
    exchange has for this instrument. `contracts` is the size so far, cut by the checks before.
    """

    direction: Direction | None
    price: Decimal | None
    leverage: Decimal | None
    contracts: Decimal | None

    @property
    def sign(self) -> int:
        """1 for long, −1 for short. Raises ValueError when the direction is not known."""
        if self.direction is None:
            raise ValueError("direction unknown")
        return 1 if self.direction == "long" else -1


def entry_of(given: GateInput) -> Entry:
    """The entry as asked for, before any check."""
    direction = _direction(given)
    price = _worst_price(given, direction)
    leverage = given.account.leverage.get(given.instrument.inst_id)
    if leverage is not None and leverage <= 0:
        leverage = None
    equity = given.account.equity
    contracts: Decimal | None = None
    if price is not None and leverage is not None and equity is not None and equity > 0:
        contracts = requested_contracts(
            given.instrument,
            equity=equity,
            size_pct=given.decision.size_pct,
            leverage=leverage,
            price=_notional_price(given, direction, price),
        )
    return Entry(direction, price, leverage, contracts)


def _direction(given: GateInput) -> Direction | None:
    """OPEN says it; ADD takes the direction of the position it adds to."""
    if given.decision.action is Action.OPEN_LONG:
        return "long"
    if given.decision.action is Action.OPEN_SHORT:
        return "short"
    if given.account.positions is None:
        return None
    position = given.account.position(given.instrument.inst_id)
    if position is None:
        return None
    return "long" if position.contracts > 0 else "short"


def _worst_price(given: GateInput, direction: Direction | None) -> Decimal | None:
    if direction is None:
        return None
    if given.decision.order_type == "limit":
        return given.decision.limit_price
    price = given.live.ask if direction == "long" else given.live.bid
    return price if price is not None and price > 0 else None


def _notional_price(given: GateInput, direction: Direction | None, worst: Decimal) -> Decimal:
    """The price at which the entry binds most margin: a short may fill above its limit, at the bid."""
    bid = given.live.bid
    return max(worst, bid) if direction == "short" and bid is not None else worst
