"""Orders, their attached stops, and fills."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter

from paper.numbers import ZERO

TAKER_TYPES = ("market", "fok", "ioc", "optimal_limit_ioc")
ORDER_TYPES = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
OPEN_STATES = ("live", "partially_filled")


@dataclass(slots=True)
class Attached:
    """A take-profit and/or stop-loss that rides in an order until the order is filled. -1 = market."""

    attach_id: str
    attach_cl_id: str = ""
    tp_trigger: Decimal | None = None
    tp_order: Decimal | None = None
    tp_type: str = "last"
    sl_trigger: Decimal | None = None
    sl_order: Decimal | None = None
    sl_type: str = "last"
    sz: Decimal | None = None
    amend_on_trigger: str = "0"


@dataclass(slots=True)
class Fill:
    """One execution. `fee` negative = paid; `pnl` realised by the closing part."""

    trade_id: str
    bill_id: str
    ord_id: str
    cl_ord_id: str
    tag: str
    inst_id: str
    side: str
    pos_side: str
    px: Decimal
    sz: Decimal
    exec_type: str
    fee: Decimal
    fee_rate: Decimal
    pnl: Decimal
    ts: int
    mark: Decimal
    index: Decimal
    sub_type: str

    def __reduce__(self) -> tuple[object, ...]:
        return Fill, _fill_values(self)


@dataclass(slots=True)
class Order:
    """An order from acceptance to its end. `filled`, `avg_px`, `fee` and `pnl` are cumulative.

    `queued` is its place in the queue at its price: lower trades first.
    """

    ord_id: str
    cl_ord_id: str
    tag: str
    inst_id: str
    td_mode: str
    side: str
    pos_side: str
    ord_type: str
    sz: Decimal
    px: Decimal | None
    reduce_only: bool
    lever: Decimal
    created: int
    updated: int
    attached: list[Attached] = field(default_factory=list)
    state: str = "live"
    filled: Decimal = ZERO
    avg_px: Decimal | None = None
    fee: Decimal = ZERO
    pnl: Decimal = ZERO
    last_fill: Fill | None = None
    cancel_source: str = ""
    amend_source: str = ""
    amend_result: str = ""
    req_id: str = ""
    category: str = "normal"
    source: str = ""
    algo_id: str = ""
    algo_cl_ord_id: str = ""
    stp_mode: str = "cancel_maker"
    frozen: Decimal = ZERO
    queued: int = 0

    def __reduce__(self) -> tuple[object, ...]:
        return Order, _values(self)

    def copy(self) -> "Order":
        """A shallow copy, many times as fast as `copy.copy`: every change of an order is reported as one."""
        return Order(*_values(self))

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def remaining(self) -> Decimal:
        return self.sz - self.filled

    @property
    def direction(self) -> int:
        return 1 if self.side == "buy" else -1


# Snapshots hold orders and fills by the tens of thousands: as plain values they are written in half the time.
_values = attrgetter(*(item.name for item in fields(Order)))
_fill_values = attrgetter(*(item.name for item in fields(Fill)))
