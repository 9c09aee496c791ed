"""The order state machine and what is sent to and read from an exchange.

States: intended → submitting → live | partially_filled | filled | canceled | rejected, or expired, denied
(never sent), or unknown → one of the former (found) or absent (proved never to have arrived).
A row in `submitting` is never sent again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class OrderState(StrEnum):
    """State of an order row."""

    INTENDED = "intended"
    SUBMITTING = "submitting"
    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DENIED = "denied"
    UNKNOWN = "unknown"
    ABSENT = "absent"


_S = OrderState
OPEN_STATES = frozenset({_S.INTENDED, _S.SUBMITTING, _S.LIVE, _S.PARTIALLY_FILLED, _S.UNKNOWN})
"""States in which an order may still have or get an effect on the exchange."""
_ON_EXCHANGE = {_S.LIVE, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED}
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: frozenset({_S.SUBMITTING, _S.EXPIRED, _S.DENIED}),
    _S.SUBMITTING: frozenset(_ON_EXCHANGE | {_S.REJECTED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset(_ON_EXCHANGE | {_S.REJECTED, _S.ABSENT}),
    _S.LIVE: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED}),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.CANCELED}),
    _S.ABSENT: frozenset(_ON_EXCHANGE),  # found after all: adopted, and an alarm
    _S.FILLED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.DENIED: frozenset(),
}


def may_become(current: OrderState, new: OrderState) -> bool:
    """Whether the step is allowed; a report of the same state is not a step."""
    return new in TRANSITIONS[current]


class Leg(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"
    STOP = "stop"  # position-level stop and target, an algo order
    FLATTEN = "flatten"


ENTRY_LEGS = frozenset({Leg.ENTRY, Leg.ADD})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One placement. `sz_contracts` in contracts, prices in USDT.

    Attached stop and target trigger at the last price and go out as market orders.
    """

    inst_id: str
    side: str  # buy | sell
    ord_type: str  # market | limit | post_only | fok | ioc
    sz_contracts: Decimal
    cl_ord_id: str
    td_mode: str  # isolated | cross
    px: Decimal | None = None
    reduce_only: bool = False
    stop_loss_px: Decimal | None = None
    take_profit_px: Decimal | None = None
    attach_algo_cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class AlgoRequest:
    """A position-level stop and target: closeFraction=1, reduce-only, market at trigger, `oco` if both legs."""

    inst_id: str
    side: str  # the closing side
    algo_cl_ord_id: str
    td_mode: str
    stop_loss_px: Decimal | None
    take_profit_px: Decimal | None
    trigger_px_type: str = "last"


class OutcomeKind(StrEnum):
    """What is known after one mutating call."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one mutating call, classified. Never raised: an error is an outcome.

    `code` is OKX's sCode or code, or a transport word such as `timeout`; `exchange_id` is ordId or algoId.
    """

    kind: OutcomeKind
    exchange_id: str | None = None
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the exchange says of an order. `state` as OKX spells it: live, partially_filled, filled, canceled."""

    inst_id: str
    ord_id: str
    cl_ord_id: str
    state: str
    side: str
    ord_type: str
    sz_contracts: Decimal
    acc_fill_sz_contracts: Decimal
    avg_px: Decimal | None
    px: Decimal | None
    fee: Decimal
    pnl: Decimal
    reduce_only: bool
    cancel_source: str
    algo_id: str
    algo_cl_ord_id: str
    source: str
    category: str
    created_at: datetime
    updated_at: datetime
    attached_fail_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlgoReport:
    """What the exchange says of an algo order (conditional or oco)."""

    inst_id: str
    algo_id: str
    algo_cl_ord_id: str
    ord_type: str
    side: str
    state: str  # live, effective, canceled, order_failed, …
    sz_contracts: Decimal | None
    close_fraction: Decimal | None
    reduce_only: bool
    stop_loss_px: Decimal | None
    take_profit_px: Decimal | None
    actual_side: str  # "", tp or sl
    fail_code: str
    ord_id: str
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FillReport:
    """One fill. `fee` negative when paid; `fill_pnl` before fees."""

    inst_id: str
    trade_id: str
    ord_id: str
    cl_ord_id: str
    bill_id: str
    side: str
    sz_contracts: Decimal
    px: Decimal
    fee: Decimal
    fee_ccy: str
    pnl: Decimal
    exec_type: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PositionReport:
    """A position in net mode: `contracts` is signed, positive long."""

    inst_id: str
    pos_id: str
    mgn_mode: str
    pos_side: str
    contracts: Decimal
    avg_px: Decimal
    mark_px: Decimal
    upl: Decimal
    leverage: Decimal
    margin: Decimal
    liq_px: Decimal | None
    realized_pnl: Decimal
    fee: Decimal
    funding_fee: Decimal
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BalanceReport:
    """The account in USDT. `equity` includes isolated margin and unrealised profit."""

    equity: Decimal
    cash: Decimal
    available_equity: Decimal
    upl: Decimal
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BillReport:
    """One change of the cash balance."""

    bill_id: str
    type: str
    sub_type: str
    ccy: str
    inst_id: str
    balance_change: Decimal
    balance: Decimal
    pnl: Decimal
    fee: Decimal
    sz_contracts: Decimal | None
    px: Decimal | None
    ord_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """The account as configured on the exchange."""

    uid: str
    acct_lv: str  # 2 = Futures mode
    pos_mode: str  # net_mode | long_short_mode
    permissions: tuple[str, ...] = field(default=())
    linked_ips: tuple[str, ...] = field(default=())  # addresses the API key may be used from; none: from anywhere
