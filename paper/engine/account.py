"""An account: cash, positions, orders, and the records of everything that changed them.

`cash` excludes the margin set aside for isolated positions. Invariant, exact to the last digit:
cash + isolated margins = deposits + realised pnl + fees + funding (+ what the insurance fund covered).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter

from paper.engine.algo import Algo
from paper.engine.order import Fill, Order
from paper.engine.position import Position
from paper.numbers import ZERO

PositionKey = tuple[str, str, str]
DEFAULT_LEVERAGE = Decimal(3)


@dataclass(slots=True)
class Bill:
    """One change of the account's money. `bal_chg` moves cash, `pos_bal_chg` an isolated position's margin."""

    bill_id: str
    type: str
    sub_type: str
    ts: int
    bal_chg: Decimal
    bal: Decimal
    pos_bal_chg: Decimal = ZERO
    pos_bal: Decimal = ZERO
    sz: Decimal = ZERO
    px: Decimal | None = None
    pnl: Decimal = ZERO
    fee: Decimal = ZERO
    mgn_mode: str = ""
    inst_id: str = ""
    ord_id: str = ""
    cl_ord_id: str = ""
    exec_type: str = ""
    trade_id: str = ""
    tag: str = ""

    def __reduce__(self) -> tuple[object, ...]:
        return Bill, _values(self)


# As plain values, as orders and fills are.
_values = attrgetter(*(item.name for item in fields(Bill)))


@dataclass(slots=True)
class Totals:
    """Running sums behind the balance identity."""

    deposits: Decimal = ZERO
    pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    insurance: Decimal = ZERO

    @property
    def wallet(self) -> Decimal:
        return self.deposits + self.pnl + self.fees + self.funding + self.insurance


@dataclass(slots=True)
class Coverage:
    """How well positions were protected: bars at whose close, and market time in which, one had no stop."""

    bars_checked: int = 0
    uncovered_bars: int = 0
    uncovered_ms: int = 0
    uncovered: list[tuple[int, str]] = field(default_factory=list)
    naked_since: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Account:
    """Everything one user owns. Finished orders and algos stay in `orders` and `algos`; open ones are indexed."""

    account_id: str
    pos_mode: str = "net_mode"
    cash: Decimal = ZERO
    updated: int = 0
    totals: Totals = field(default_factory=Totals)
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    position_history: list[Position] = field(default_factory=list)
    leverage: dict[PositionKey, Decimal] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    order_by_cl_id: dict[str, str] = field(default_factory=dict)
    algos: dict[str, Algo] = field(default_factory=dict)
    open_algos: dict[str, Algo] = field(default_factory=dict)
    algo_by_cl_id: dict[str, str] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)
    accepted: dict[str, int] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)

    def position(self, inst_id: str, mgn_mode: str, pos_side: str = "net") -> Position | None:
        """The open position, if any."""
        found = self.positions.get((inst_id, mgn_mode, pos_side))
        return found if found is not None and found.contracts != 0 else None

    def open_positions(self) -> Iterator[Position]:
        return (position for position in self.positions.values() if position.contracts != 0)

    def lever(self, inst_id: str, mgn_mode: str, pos_side: str = "net") -> Decimal:
        """Leverage set for an instrument and margin mode; OKX's default of 3 until set."""
        side = pos_side if mgn_mode == "isolated" else "net"
        return self.leverage.get((inst_id, mgn_mode, side), DEFAULT_LEVERAGE)

    @property
    def frozen(self) -> Decimal:
        """Margin and fees bound by open orders."""
        return sum((order.frozen for order in self.open_orders.values()), ZERO)

    @property
    def isolated_margin(self) -> Decimal:
        return sum((p.margin for p in self.positions.values() if p.mgn_mode == "isolated"), ZERO)
