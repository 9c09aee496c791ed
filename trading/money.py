"""What a bill of the exchange means for the account's money: the parts of the daily identity. USDT, costs negative.

closing − opening equity = realised + fees + funding + liquidation + transfers + other + (closing − opening upl).
Moving margin between balance and an isolated position changes neither side.
"""

from dataclasses import dataclass, fields
from decimal import Decimal

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Money:
    """Sums over bills, by what they were for."""

    realised: Decimal = _ZERO
    fees: Decimal = _ZERO
    funding: Decimal = _ZERO
    liquidation: Decimal = _ZERO
    transfers: Decimal = _ZERO
    other: Decimal = _ZERO

    def __add__(self, more: "Money") -> "Money":
        return Money(*(getattr(self, f.name) + getattr(more, f.name) for f in fields(Money)))

    @property
    def total(self) -> Decimal:
        """Change of what the account holds, unrealised profit apart."""
        return sum((getattr(self, f.name) for f in fields(Money)), _ZERO)


def of_bill(type_: str, balance_change: Decimal, pnl: Decimal, fee: Decimal, sz_contracts: Decimal | None) -> Money:
    """The parts of one bill.

    With isolated margin `balance_change` also moves margin, so trades and funding count by `pnl` and `fee`.
    """
    match type_:  # OKX's bill types
        case "1":
            return Money(transfers=balance_change)
        case "2" | "9":  # trade, deleveraging
            return Money(realised=pnl, fees=fee)
        case "5":
            # A liquidation's fills carry a size; the penalty does not.
            return Money(realised=pnl, fees=fee) if sz_contracts else Money(liquidation=pnl or balance_change)
        case "6":  # margin transfer
            return Money()
        case "8":
            return Money(funding=pnl or balance_change)
    booked = pnl + fee
    return Money(other=booked or balance_change)
